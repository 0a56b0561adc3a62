/** The images behind the numbers of models: queries that find just as many, those in the trash and those that are gone, too. */

import { nameOf } from '../question'
import { EVERY, value } from '../statistics/links'

/** Images of which a model saw that they have a value, or that they have it not. */
export const seenSo = (placeholder: string, key: string, seen: boolean, match: number): string => `${value(placeholder, key)} score:${nameOf(placeholder)}${seen ? '>=' : '<'}${match} ${EVERY}`

/** Images of which a model said anything about a value. */
export const assessed = (placeholder: string, key: string): string => `${value(placeholder, key)} score:${nameOf(placeholder)}>=0 ${EVERY}`

/** Images of a placeholder of which people said this, and a model the contrary. */
export const against = (placeholder: string, said: 'ok' | 'ko', match: number): string => `verdict:${nameOf(placeholder)}=${said} score:${nameOf(placeholder)}${said === 'ko' ? '>=' : '<'}${match} ${EVERY}`

/** The threshold at which a model says otherwise than people just where it contradicts them. */
export const HALF = 0.5

/** Images of which a model says otherwise than people, where `HALF` is the threshold; null: about any placeholder. What it is surest of
 * comes first. */
export const contradictions = (placeholder: string | null): string => `contradicts:${placeholder === null ? '' : nameOf(placeholder)}>${HALF} ${EVERY} sort:-contradicts`

export const ofClass = (name: string): string => `class:${name} ${EVERY}`
