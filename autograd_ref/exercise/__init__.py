"""The backward pass as an exercise: topics, the files to fill in, and the judgement of every step."""
