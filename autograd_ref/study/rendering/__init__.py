"""The look of the study page: texts, formulas, charts, template, style and script."""
