/**
 * Everything the application says: a folder for each language, with one file a part, of the same shape in all. Only the language that is
 * spoken is loaded. The words of the list of sessions, of the viewer, the review, the comparison and the statistics have names of their
 * own: `list`, `viewing`, `reviewing`, `comparing`, `stats`.
 */

import type { texts as english } from './en'

export type Texts = typeof english

/** The texts of a language such as `en` or `fr-CA`; English where there are none. */
export async function textsIn(language: string): Promise<Texts> {
  const { texts } = await (language.toLowerCase().startsWith('fr') ? import('./fr') : import('./en'))
  return texts
}
