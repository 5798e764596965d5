// Applies the theme that was chosen before anything is drawn. Small, because it alone holds the page up.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // storage may be forbidden; the theme of the system it is
}
