/**
 * Everything the application says, in English and French: one file a part, of the same shape in both. The words of the list of sessions,
 * of the viewer, the review, the comparison and the statistics have names of their own: `list`, `viewing`, `reviewing`, `comparing`, `stats`.
 */

import * as compare from './compare'
import * as images from './images'
import * as review from './review'
import * as sessions from './sessions'
import * as shell from './shell'
import type { Same } from './shell'
import * as statistics from './statistics'
import * as viewer from './viewer'

/** The names of the marks, which every part says. */
const common = ({ favourite, interesting, trash }: Same<typeof review.en>) => ({ favourite, interesting, trash })

const en = { ...shell.en, list: sessions.en, ...images.en, ...common(review.en), viewing: viewer.en, reviewing: review.en, comparing: compare.en, stats: statistics.en }
export type Texts = typeof en

const fr: Texts = { ...shell.fr, list: sessions.fr, ...images.fr, ...common(review.fr), viewing: viewer.fr, reviewing: review.fr, comparing: compare.fr, stats: statistics.fr }

/** The texts of a language such as `en` or `fr-CA`; English where there are none. */
export function textsIn(language: string): Texts {
  return language.toLowerCase().startsWith('fr') ? fr : en
}
