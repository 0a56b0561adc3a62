/** Settings of this browser. Where it keeps nothing (a private window), they are as at first. */

export function remembered(name: string, otherwise: string): string {
  try {
    return localStorage.getItem(`sdgen.${name}`) ?? otherwise
  } catch {
    return otherwise
  }
}

export function remembers(name: string, value: string): void {
  try {
    localStorage.setItem(`sdgen.${name}`, value)
  } catch {
    // It is forgotten with the page.
  }
}
