"""The folder layouts of XTREME submissions: reading, writing and scoring them without a model."""
