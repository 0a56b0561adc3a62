/** What the server tells of training, and what follows from a run's state. */

import { ApiError } from '../api'
import type { components } from '../openapi'
import type { training as words } from '../texts/en/training'

type Schemas = components['schemas']
export type RunCard = Schemas['RunCard']
export type RunDetails = Schemas['RunDetails']
export type RunPoint = Schemas['RunPoint']
export type Runs = Schemas['Runs']
export type LogPiece = Schemas['LogPiece']
export type Trainers = Schemas['Trainers']
export type Trainer = Schemas['TrainerEntry']
export type TrainingOption = Schemas['TrainingOption']
export type Problem = Schemas['TrainingProblem']
export type Dataset = Schemas['DatasetCard']
export type Datasets = Schemas['Datasets']
export type Preview = Schemas['DatasetPreview']
export type Improvement = Schemas['Improvement']
export type Improvements = Schemas['Improvements']
export type Audit = Schemas['DatasetAudit']
export type TrainCheck = Schemas['TrainCheck']

export type Words = typeof words
export type Act = 'stop' | 'save' | 'resume' | 'forget'

export const isOver = ({ state }: RunCard): boolean => state === 'stopped' || state === 'failed' || state === 'done'

/** Whether a process of it lives: its log and its steps go on. */
export const isLive = ({ state }: RunCard): boolean => !isOver({ state } as RunCard) && state !== 'waiting'

/** What can be done with a run as it is now. */
export function actsOf(run: RunCard): Act[] {
  if (isOver(run)) return [...(run.resumable === null ? [] : (['resume'] as const)), 'forget']
  if (run.state === 'stopping' || run.wish === 'stop') return []
  return run.saves && run.wish !== 'save' ? ['save', 'stop'] : ['stop']
}

/** Whether an act is asked about first: what it takes away does not come back. */
export const isFinal = (what: Act, { state }: RunCard): boolean => what === 'forget' || (what === 'stop' && state !== 'waiting')

/** How much of it is done, 0 to 1. */
export const shareOf = ({ step, steps }: RunCard): number => (steps > 0 ? Math.min(1, Math.max(0, step / steps)) : 0)

/** The list with what was told of one run: in its place, or before all others; null: it is gone. */
export function withRun(runs: readonly RunCard[], id: string, run: RunCard | null): RunCard[] {
  if (!run) return runs.filter((one) => one.id !== id)
  return runs.some((one) => one.id === id) ? runs.map((one) => (one.id === id ? run : one)) : [run, ...runs]
}

/** What the server refused, and what helps. */
export const complaint = (error: unknown, { told, help }: Words): string =>
  error instanceof ApiError ? [told(error.code, error.message), help(error.code, error.hint), error.nearest.join(', ')].filter(Boolean).join(' ') : String(error)
