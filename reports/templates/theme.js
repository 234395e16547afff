/* Before the first paint: scripts run here, and the theme that the reader chose last. */
(function () {
  "use strict";
  var root = document.documentElement;
  root.className = "js";
  try {
    var kept = localStorage.getItem("liveprobe-theme");
    if (kept === "light" || kept === "dark") root.setAttribute("data-theme", kept);
  } catch (refused) {
    /* file:// without storage: the theme follows the system */
  }
})();
