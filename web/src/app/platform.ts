/** Where the application runs: inside ComfyUI's page, or alone. All that differs is asked for here. */

import type { InjectionKey } from 'vue'

import type { components } from './openapi'

import type { Card } from './api'

export type ScoringState = components['schemas']['ScoringState']
export type RunCard = components['schemas']['RunCard']
export type Severity = 'success' | 'info' | 'warn' | 'error'

/** What the server tells of by itself; `reload`: so much that everything is to be asked for anew. */
export interface Events {
  images: { added: number[]; changed: number[]; session?: string | null }
  sessions: { sessions: string[] }
  import: ImportProgress
  /** A session of the ledger, as it runs. Only ComfyUI tells of these. */
  session: RunningSession
  /** What is being scored by a model, and what waits. */
  scoring: ScoringState
  /** A run of training; `run` null: it is gone. Without an id: the data sets are others now. */
  training: { id: string; run: RunCard | null }
  reload: Record<string, never>
}

export interface ImportProgress {
  running: boolean
  total: number
  sessions: number
  unchanged: number
  images: number
  written: number
  errors: { folder: string; message: string }[]
}

export interface RunningSession {
  id: string
  name: string
  state: string
  reason: string
  planned: number
  done: number
  failed: number
  left: number
  images_per_minute: number | null
  eta_seconds: number | null
}

export interface Platform {
  /** Whether ComfyUI is around: sessions can be made and workflows opened. */
  readonly comfyui: boolean
  /** Ask the server. */
  fetch(route: string, options?: RequestInit): Promise<Response>
  /** Cards of what is looked at first, where they were asked for ahead; see `ahead`. */
  readonly firstCards?: Promise<readonly Card[]>
  /** A route as an address for an image or a link. */
  url(route: string): string
  /** Call `handle` with each event; gives the function that stops it. */
  on<Kind extends keyof Events>(kind: Kind, handle: (data: Events[Kind]) => void): () => void
  /** A short message in a corner. */
  toast(severity: Severity, summary: string, detail?: string): void
  /** The user's language, such as `en`. */
  language(): string
  /** The part of the page's address that is ours. */
  address(): string
  /** Write it there; `push` makes a step that the browser's back button goes back. */
  setAddress(text: string, push: boolean): void
  /** Call `handle` when the address was changed by the browser. */
  onAddress(handle: () => void): () => void
  /** Open a workflow on the canvas. Only where ComfyUI is. */
  openWorkflow?(workflow: object, name: string): Promise<void>
  /** Open a graph in its API form on the canvas, where the file has nothing else. Only where ComfyUI is. */
  openGraph?(prompt: object, name: string): Promise<void>
  /** Have a file of the input folder in a node that loads images; gives the node's title. Only where ComfyUI is. */
  loadInNode?(file: string): string
  /** Queue a graph in its API form. Only where ComfyUI is. */
  queue?(prompt: object, workflow: object | null): Promise<void>
}

export const PLATFORM: InjectionKey<Platform> = Symbol('platform')
