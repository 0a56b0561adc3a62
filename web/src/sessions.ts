/** The sessions this page knows: their states from the server's messages, and which planner started which. */

import { get, isOn, onMessage, post, toast } from './host'
import type { Texts } from './texts'

/** A session as the server reports it. */
export interface Session {
  id: string
  name: string
  state: string
  reason: string
  planned: number
  done: number
  failed: number
  left: number
  skipped: number
  folder: string
  images_per_minute: number | null
  eta_seconds: number | null
}

/** What a press of Run did, as the planner reports it: the session, and how it came about. */
export interface Report extends Session {
  action: string
  added: number
  warnings: string[]
}

/** States in which a session makes images, or will by itself. */
export const ACTIVE: readonly string[] = ['planned', 'running']

/** What the server can do to a session; see its table of actions. */
export type Action = 'pause' | 'resume' | 'stop' | 'retry' | 'skip' | 'extend' | 'shrink' | 'rename' | 'move' | 'verify'

/** A session after an action, with what the action counted or found. */
export interface Answer extends Session {
  retried?: number
  skipped_now?: number
  added?: number
  removed?: number
  verify?: Record<string, unknown> & { ok: boolean; advice?: string[] }
}

const MEMORY = 'sdgen.planners'
const REMEMBERED = 100

/** The session's own route. */
export function route({ id }: { id: string }): string {
  return `/sdgen/sessions/${encodeURIComponent(id)}`
}

export class Sessions {
  private readonly known = new Map<string, Session>()
  /** How often each session was heard of: what was asked for before and comes after is old. */
  private readonly heard = new Map<string, number>()
  private readonly listeners = new Set<(session: Session) => void>()

  constructor(private readonly texts: () => Texts) {}

  /** Begin to listen; sessions that run already are asked for, so that their end is noticed. */
  start(): void {
    onMessage('sdgen.session', (detail) => {
      this.receive(detail as Session)
    })
    const refresh = (): void => {
      void this.list()
    }
    onMessage('reconnected', refresh)
    refresh()
  }

  /** Call `listener` with each session that changed; gives the function that stops it. */
  listen(listener: (session: Session) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** A session by its id; undefined when the server does not know it (any more). */
  async session(id: string): Promise<Session | undefined> {
    const known = this.known.get(id)
    if (known) return known
    try {
      const session = (await get(route({ id }))) as Session
      this.known.set(id, session)
      return session
    } catch {
      return undefined
    }
  }

  /** Do something to a session. Throws `ServerError`. */
  async act(session: Session, action: Action, body: object = {}): Promise<Answer> {
    return this.took(session.id, () => post(`${route(session)}/${action}`, body))
  }

  /** Write a session into ledger and manifest again from its folder. Throws `ServerError`. */
  async rebuild(session: Session): Promise<Answer> {
    return this.took(session.id, () => post('/sdgen/sessions', { folder: session.folder.replace(/^.*[\\/]/, '') }))
  }

  /** Where a session may be moved to. Throws `ServerError`. */
  async places(session: Session): Promise<string[]> {
    return ((await get(route(session))) as { places: string[] }).places
  }

  /** What a press of Run reported; its messages may have overtaken it. */
  reported(report: Report): void {
    this.receive(report)
    void this.refresh(report.id)
  }

  /** Take over the session that `ask` answers with, unless messages told of it meanwhile: then it is asked for anew. */
  private async took(id: string, ask: () => Promise<unknown>): Promise<Answer> {
    const before = this.heard.get(id)
    const answer = (await ask()) as Answer
    if (this.heard.get(id) === before) this.receive(answer)
    else void this.refresh(id)
    return answer
  }

  /** Ask for a session until no message came while the answer was on its way. */
  private async refresh(id: string): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const before = this.heard.get(id)
      try {
        const session = (await get(route({ id }))) as Session
        if (this.heard.get(id) !== before) continue
        this.receive(session)
      } catch {
        // The next message tells.
      }
      return
    }
  }

  /** Take over what the server told of a session. */
  receive(session: Session): void {
    this.heard.set(session.id, (this.heard.get(session.id) ?? 0) + 1)
    const before = this.known.get(session.id)
    this.known.set(session.id, session)
    const text = before && ACTIVE.includes(before.state) && !ACTIVE.includes(session.state) ? ending(session, this.texts()) : undefined
    if (text && isOn('SDGen.TellEnds')) toast(text.severity, text.summary, text.detail)
    for (const listener of this.listeners) listener(session)
  }

  private async list(): Promise<void> {
    try {
      const { sessions } = (await get('/sdgen/sessions')) as { sessions: Session[] }
      for (const session of sessions) if (ACTIVE.includes(session.state) || this.known.has(session.id)) this.receive(session)
    } catch {
      // The engine could not start: the nodes say why when they are used.
    }
  }
}

/** The toast for a session that has stopped running; none for states that the user asked for elsewhere. */
export function ending(
  session: Session,
  texts: Texts
): { severity: 'success' | 'warn' | 'error'; summary: string; detail: string } | undefined {
  const made = texts.madeOf(session.done, session.planned)
  if (session.state === 'completed') return { severity: 'success', summary: texts.completedToast(session.name), detail: made }
  const detail = [session.reason, made].filter(Boolean).join(' · ')
  if (session.state === 'failed') return { severity: 'error', summary: texts.failedToast(session.name), detail }
  if (session.state === 'paused') return { severity: 'warn', summary: texts.pausedToast(session.name), detail }
  return undefined
}

/** Remember which session a planner started last, in this browser, so that a reload of the page shows it again. */
export function remember(planner: string, session: string): void {
  const memory = recall()
  memory.delete(planner)
  memory.set(planner, session)
  try {
    localStorage.setItem(MEMORY, JSON.stringify([...memory].slice(-REMEMBERED)))
  } catch {
    // No storage: nothing is shown after a reload, and nothing else is lost.
  }
}

/** The session that a planner started last. */
export function remembered(planner: string): string | undefined {
  return recall().get(planner)
}

function recall(): Map<string, string> {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(MEMORY) ?? '[]')
    return new Map(Array.isArray(stored) ? (stored as [string, string][]) : [])
  } catch {
    return new Map()
  }
}
