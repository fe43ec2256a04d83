"""Pages to look at what was built with a browser: `doit ir`, `doit report`."""
