/** How a text of the other languages has to look: the same names, the same parameters. */
export type Same<T> = {
  [Name in keyof T]: T[Name] extends (...given: infer Given) => string ? (...given: Given) => string : T[Name] extends object ? Same<T[Name]> : string
}
