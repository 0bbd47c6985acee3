// Everything is set going here.

addEventListener("beforeprint", () => {
  for (const name of ["findings", "warnings", "notes"]) byId(name)?.setAttribute("open", "");
});
startFilters();
startTheme();
startFigures();
startExamples();
startProvenance();
filterListeners.push(drawOverview, drawTable, redraw);
changed();
