/** Everything the application says, in English and French: one file a part, of the same shape in both. */

import * as compare from './compare'
import * as images from './images'
import * as review from './review'
import * as sessions from './sessions'
import * as shell from './shell'
import * as statistics from './statistics'
import * as viewer from './viewer'

const en = { ...shell.en, ...sessions.en, ...images.en, ...viewer.en, ...review.en, comparing: compare.en, stats: statistics.en }
export type Texts = typeof en

const fr: Texts = { ...shell.fr, ...sessions.fr, ...images.fr, ...viewer.fr, ...review.fr, comparing: compare.fr, stats: statistics.fr }

/** The texts of a language such as `en` or `fr-CA`; English where there are none. */
export function textsIn(language: string): Texts {
  return language.toLowerCase().startsWith('fr') ? fr : en
}
