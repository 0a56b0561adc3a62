/** Numbers, dates and colours of sessions. */

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

/** A share in percent: rounded down, so that only what is complete is 100 %. */
export function percent(share: number, language: string): string {
  const whole = Math.floor(Math.min(1, Math.max(0, share)) * 100 + 1e-9)
  return new Intl.NumberFormat(language, { style: 'percent' }).format(whole / 100)
}

/** Unix milliseconds as people say them. */
export function moment(milliseconds: number, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(milliseconds)
}

/** Seconds as `24 s`, `3 min`, `2 h 10 min`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} d`
}

/** Bytes as `12.3 GB`. */
export function bytes(size: number, language: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']
  let [at, left] = [0, size]
  while (left >= 1000 && at < units.length - 1) [at, left] = [at + 1, left / 1000]
  const digits = left < 10 && at > 0 ? 1 : 0
  return new Intl.NumberFormat(language, { style: 'unit', unit: units[at] ?? 'byte', maximumFractionDigits: digits }).format(left)
}

/** A checkpoint's name without what every one has: its folder and its ending. */
export function modelName(file: string): string {
  return file.replace(/^.*[\\/]/, '').replace(/\.(safetensors|ckpt|pt|gguf)$/i, '')
}

/** What a card says below its tags about where it comes from: theme, style. */
export function origin({ theme, style, template }: Pick<SessionCard, 'theme' | 'style' | 'template'>): string {
  return [theme ?? template, style].filter(Boolean).join(' · ')
}
