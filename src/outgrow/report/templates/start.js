// Everything is set going here.

startFilters();
startTheme();
startFigures();
startExamples();
startProvenance();
filterListeners.push(drawTable, redraw);
changed();
