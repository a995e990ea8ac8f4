"""Training runs, one Python function each: `anyseek train recipes.captions:stage`."""
