/** The groups of the filters' pane: what can be chosen, how many images it finds, and how its text is written. */

import type { Facets } from '../api'
import { asks, cleared, clauses, fieldOf, including, type Target, toggled, valueNames, without } from './query-text'

/** Verdicts about a value among the images that are found. */
export interface Verdicts {
  ok: number
  partial: number
  ko: number
}

export interface Choice {
  /** Names of it in a query, the one to write first. */
  names: [string, ...string[]]
  label: string
  images: number
  verdicts?: Verdicts
  /** What it sets, where that is not its group's. */
  target: Target
}

export interface Group {
  id: string
  /** Of a placeholder: its name. */
  placeholder?: string
  choices: Choice[]
  /** How many there are in the library, shown or not. */
  known: number
}

const MARKS = ['favourite', 'interesting', 'trash', 'marked'] as const
const STATES = ['failed', 'judged', 'tagged', 'noted', 'duplicate', 'scored', 'flagged', 'broken', 'missing', 'landscape', 'portrait', 'square'] as const
const SHAPES: readonly string[] = ['landscape', 'portrait', 'square']
const NAMED = ['tag', 'model', 'sampler', 'scheduler', 'theme', 'style', 'template'] as const

/** Words of the quick filters. */
export const UNJUDGED: readonly string[] = ['judged', 'marked', 'failed']
export const KO: Target = { field: 'verdict' }

/** The target of a flag: marks are alternatives, and so are shapes; every other one is a condition of its own. */
export function flagTarget(flag: string): Target {
  const marks: readonly string[] = MARKS
  return { field: 'is', family: marks.includes(flag) ? marks : SHAPES.includes(flag) ? SHAPES : [flag] }
}

/** How people call what is chosen. */
export interface Words {
  flag: (name: string) => string
  stars: (rating: number) => string
  machineClass: (name: string) => string
}

/** The groups of what is found; those in which nothing can be chosen are left out. */
export function groups(found: Facets, inSession: boolean, words: Words): Group[] {
  const counts = found.groups
  const placeholders = found.placeholders.map(groupOf)
  if (!counts) return placeholders
  const flags = new Map(counts.flag.map(({ name, images }) => [name, images]))
  const flag = (names: readonly string[]): Choice[] =>
    names.map((name) => ({ names: [name], label: words.flag(name), images: flags.get(name) ?? 0, target: flagTarget(name) }))
  const listed = (id: string, choices: Choice[]): Group => ({ id, choices, known: choices.length })
  const rating = counts.rating.map(({ name, images }): Choice => ({ names: [name], label: words.stars(Number(name)), images, target: { field: 'rating' } }))
  const classes = counts.classes.map(({ name, images }): Choice => ({ names: [name], label: words.machineClass(name), images, target: { field: 'class' } }))
  const scored = classes.some(({ names, images }) => images && names[0] !== 'none')
  const named = (inSession ? NAMED : [...NAMED, 'session' as const]).map((field) => {
    const known = counts[field].filter(({ name }) => name)
    return listed(field, known.map(({ name, label, images }) => ({ names: [name], label, images, target: { field } })))
  })
  return [
    listed('mark', flag(MARKS)),
    ...placeholders,
    listed('rating', rating.reverse()),
    ...(scored ? [listed('class', classes)] : []),
    listed('state', flag(STATES).filter(({ images, names }) => images || names[0] === 'failed')),
    ...named.filter(({ choices }) => choices.length)
  ]
}

function groupOf({ name, known, values }: Facets['placeholders'][number]): Group {
  const target = { field: fieldOf(name) }
  const choices = values.map(({ key, text, images, ok, partial, ko, no_effect, unintended }) => ({
    names: valueNames(key, text),
    label: labelOf(key, text),
    images,
    verdicts: { ok, partial, ko: ko + no_effect + unintended },
    target
  }))
  return { id: `@${name}`, placeholder: name, choices, known }
}

/** A value of several parts is shown by its key: its text is JSON. */
function labelOf(key: string, text: string): string {
  return /^[[{]/.test(text) ? key : text || key
}

const folded = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()

/** Values that fit what somebody looks for among them, and those that are chosen first. */
export function fitting(choices: readonly Choice[], wanted: string, text: string): Choice[] {
  const word = folded(wanted.trim())
  const chosen = (choice: Choice): number => (asks(text, choice.target, ...choice.names) ? 0 : 1)
  return choices
    .filter((choice) => !word || [choice.label, ...choice.names].some((name) => folded(name).includes(word)))
    .map((choice, at) => ({ choice, rank: chosen(choice), at }))
    .sort((a, b) => a.rank - b.rank || a.at - b.at)
    .map(({ choice }) => choice)
}

/** The text after a click on a choice. */
export function clicked(text: string, choice: Choice, negate: boolean): string {
  return toggled(text, choice.target, negate, ...choice.names)
}

/** The text without anything that a group said. */
export function groupCleared(text: string, group: Group): string {
  const targets = new Map(group.choices.map(({ target }) => [JSON.stringify(target), target]))
  return [...targets.values()].reduce(cleared, text)
}

/** Whether the text says anything of a group. */
export const speaks = (text: string, group: Group): boolean => groupCleared(text, group) !== text

// ---- quick filters ----

export const withoutKo = (text: string): boolean => asks(text, KO, 'ko') === 'no'
export const turnKo = (text: string): string => (withoutKo(text) ? without(text, KO, 'ko') : including(text, KO, true, 'ko'))

export const onlyUnjudged = (text: string): boolean => UNJUDGED.every((flag) => asks(text, { field: 'is' }, flag) === 'no')

export function turnUnjudged(text: string): string {
  const on = !onlyUnjudged(text)
  const off = UNJUDGED.reduce((now, flag) => without(now, { field: 'is' }, flag), text)
  return on ? UNJUDGED.reduce((now, flag) => including(now, { field: 'is', family: UNJUDGED }, true, flag), off) : off
}

// ---- seeds ----

const SEED = /^(?:(?:[<>]=?|=)?\d+|\d+\.\.\d*|\.\.\d+)$/

/** Seeds and ranges of them as somebody types them; null for what is none. */
export function seedList(typed: string): string[] | null {
  const parts = typed.split(/[\s,;]+/).filter(Boolean)
  return parts.every((part) => SEED.test(part)) ? parts : null
}

export function seedsOf(text: string): string[] {
  return clauses(text).clauses.filter(({ field, negate }) => field === 'seed' && !negate).flatMap(({ values }) => values)
}

export function withSeeds(text: string, seeds: readonly string[]): string {
  const target = { field: 'seed' }
  return seeds.reduce((now, seed) => including(now, target, false, seed), cleared(text, target))
}
