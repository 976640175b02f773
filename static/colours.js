/* Before anything is seen: light or dark, if the reader has chosen (js/theme.js). No module, for those wait for the page. */
{
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
}
