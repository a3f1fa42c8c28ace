"""The course notes as they are published: 2·reg·W under a loss with 2·reg·‖W‖². To be refused."""

from benchmarks.speed.contenders.course_notes import Contender as CourseNotes


class Contender(CourseNotes):
    """With the slip."""

    penalty_factor = 2
