"""How the study page looks: its texts, formulas, charts, template, style and script."""
