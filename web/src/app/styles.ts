/** Style sheets of what is loaded later: each comes with the code that needs it, so that nothing is ever seen without its style. */

/** Add a style sheet behind those that are there. */
export function addStyles(css: string): void {
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
}
