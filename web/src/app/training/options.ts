/** Options of trainers between their fields and what the server takes. */

import type { Trainer, TrainingOption } from './model'

/** A value as a field shows it. */
export function shownOption(value: unknown): string {
  if (Array.isArray(value)) return value.join(' ')
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

/** What somebody typed as the option takes it; undefined: nothing, it stays as it is. What is no number stays a text, which the server refuses. */
export function readOption({ kind, choices }: Pick<TrainingOption, 'kind' | 'choices'>, text: string): unknown {
  const typed = text.trim()
  if (!typed) return undefined
  const choice = choices.find((one) => String(one) === typed)
  if (choice !== undefined) return choice
  if (kind === 'list') return typed.split(/\s+/)
  if (kind === 'int' || kind === 'float') return Number.isFinite(Number(typed)) ? Number(typed) : typed
  return typed
}

export const isSame = (one: unknown, other: unknown): boolean => one === other || JSON.stringify(one) === JSON.stringify(other)

/** A name for a data set or a run that is a file's name everywhere: letters and digits of any script, Latin ones without accents. */
export const fileName = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}_.-]+/gu, '_')
    .replace(/^[_.-]+|[_.-]+$/g, '')
    .slice(0, 60)

/** Of the options that somebody changed those that a form has. */
export function known(changed: Readonly<Record<string, unknown>>, groups: Trainer['groups']): Record<string, unknown> {
  const names = new Set(groups.flatMap(({ options }) => options.map(({ name }) => name)))
  return Object.fromEntries(Object.entries(changed).filter(([name]) => names.has(name)))
}
