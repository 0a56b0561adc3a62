/** Dates, names and colours of sessions. */

import type { SessionCard } from './model'

/** Shares of the planned images from which a bar is green, and orange. */
const GREEN = 0.95
const ORANGE = 0.7

export type BarColour = 'running' | 'good' | 'soso' | 'bad'

/** How a session's bar is coloured: blue while it runs, then by how much of it is there. */
export function barColour(completion: number | null, running: boolean): BarColour {
  if (running) return 'running'
  if (completion === null || completion >= GREEN) return 'good'
  return completion >= ORANGE ? 'soso' : 'bad'
}

/** Unix milliseconds as people say them. */
export function moment(milliseconds: number, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(milliseconds)
}

/** A checkpoint's name without what every one has: its folder and its ending. */
export function modelName(file: string): string {
  return file.replace(/^.*[\\/]/, '').replace(/\.(safetensors|ckpt|pt|gguf)$/i, '')
}

/** What a card says below its tags about where it comes from: theme, style. */
export function origin({ theme, style, template }: Pick<SessionCard, 'theme' | 'style' | 'template'>): string {
  return [theme ?? template, style].filter(Boolean).join(' · ')
}
