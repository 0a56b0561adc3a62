/** Saying what one thinks of images: shown at once, written behind in order, taken back without end. */

import { defineStore } from 'pinia'
import { computed, ref, shallowRef, type WritableComputedRef } from 'vue'

import { type Api, ApiError, type Card, type ImageDetails, type Judged, type Turned } from '../api'
import type { Platform } from '../platform'
import type { Texts } from '../texts'
import { useDetails } from '../viewer/details'
import { useResults } from './results'
import { stepOf } from './step'

export type Mark = NonNullable<Card['mark']>
export type Verdict = 'ok' | 'partial' | 'ko' | 'no-effect' | 'unintended'

/** How long (ms) a server that was away is given before it is asked once more, and events of a step before nobody waits for them. */
const AWAY = 1_500
const EVENTS = 500

/** Shows a change, and gives what takes it back. */
type Show = () => () => void

interface Step {
  images: readonly number[]
  label: string
  show: Show
  hide: () => void
  /** The server did not take it. */
  failed: boolean
}

export const useJudging = defineStore('judging', () => {
  const undoable = inWords()
  const redoable = inWords()
  /** How many writes are on their way. */
  const writing = ref(0)
  /** The images that the last undo or redo was about. */
  const turned = shallowRef<readonly number[]>([])
  const results = useResults()
  const details = useDetails()

  let api: Api | undefined
  let platform: Platform | undefined
  let texts: Texts | undefined
  let stop: (() => void) | undefined
  /** Writes go one after another, so that the last word is the last one said. */
  let last: Promise<unknown> = Promise.resolve()
  /** Steps of this page, for showing at once what undo and redo do. */
  const done: Step[] = []
  const undone: Step[] = []
  let heard: ((images: readonly number[]) => void) | undefined

  function use(given: { api: Api; platform: Platform; texts: Texts }): void {
    ;({ api, platform, texts } = given)
    stop?.()
    stop = platform.on('images', ({ changed }) => heard?.(changed))
  }

  /** A step in the user's language; those of unknown kinds as the server calls them. */
  function named(label: string | null): string | null {
    const step = label === null ? null : stepOf(label)
    return (step && texts?.step(step)) ?? label
  }

  /** Keeps what the server calls a step, and gives it in the user's language. */
  function inWords(): WritableComputedRef<string | null> {
    const label = ref<string | null>(null)
    return computed({ get: () => named(label.value), set: (to) => (label.value = to) })
  }

  /** Ask when everything before is written. Throws what the server says. */
  function write<T extends Judged | Turned>(ask: (api: Api) => Promise<T>, again: boolean): Promise<T> {
    writing.value++
    const mine = last.then(async () => {
      if (!api) throw new Error('judging has no server yet')
      const answer = await (again ? twice(ask, api) : ask(api))
      undoable.value = answer.undo
      redoable.value = answer.redo
      return answer
    })
    last = mine.catch(() => undefined).finally(() => writing.value--)
    return mine
  }

  /** To judge twice is to judge once: a server that was away for a moment is asked again. */
  async function twice<T>(ask: (api: Api) => Promise<T>, to: Api): Promise<T> {
    try {
      return await ask(to)
    } catch (error) {
      if (error instanceof ApiError && error.code !== 'server-error' && error.code !== 'no-answer') throw error
      await new Promise((resolve) => setTimeout(resolve, AWAY))
      return ask(to)
    }
  }

  function complain(error: unknown): void {
    const { message, hint } = error instanceof ApiError ? error : { message: texts?.noServer ?? String(error), hint: '' }
    platform?.toast('error', texts?.notSaved ?? '', hint ? `${message}. ${hint}` : message)
  }

  async function say(images: readonly number[], show: Show, ask: (api: Api) => Promise<Judged>): Promise<Judged | undefined> {
    const step: Step = { images, label: '', show, hide: show(), failed: false }
    done.push(step)
    const forget = (): void => {
      if (done.includes(step)) done.splice(done.indexOf(step), 1)
    }
    try {
      const answer = await write(ask, true)
      step.label = answer.label
      // Of sessions the server does not count what is different.
      if (answer.changed || (!images.length && answer.undo === answer.label)) undone.length = 0
      else forget()
      return answer
    } catch (error) {
      step.failed = true
      step.hide()
      forget()
      complain(error)
      return undefined
    }
  }

  /** Show a field of images otherwise, in lists and in the viewer; taken back only where nothing was shown since. */
  function field<Name extends 'mark' | 'rating' | 'failed'>(ids: readonly number[], name: Name, value: Card[Name]): Show {
    return () => {
      const cards = results.patch(ids, { [name]: value })
      const hide = shownIn(ids, (one) => one[name], (one, to) => ({ ...one, [name]: to }), () => value)
      return () => {
        cards()
        hide()
      }
    }
  }

  function shownIn<T>(
    ids: readonly number[],
    read: (one: ImageDetails) => T,
    set: (one: ImageDetails, to: T) => ImageDetails,
    next: (one: ImageDetails) => T
  ): () => void {
    const changed: [number, T, T][] = []
    for (const id of ids) {
      const one = details.known.get(id)
      if (!one) continue
      const after = next(one)
      changed.push([id, read(one), after])
      details.put(id, set(one, after))
    }
    return () => {
      for (const [id, before, after] of changed) {
        const one = details.known.get(id)
        if (!one || read(one) !== after) continue
        details.put(id, set(one, before))
      }
    }
  }

  const shown = (id: number): Card | undefined => results.cards.get(id) ?? details.known.get(id)

  /** Set the mark of images; the mark they have already is taken away, as a second press of the key does. */
  function mark(ids: readonly number[], wanted: Mark | null): Promise<unknown> {
    const same = wanted !== null && ids.every((id) => shown(id)?.mark === wanted)
    const value = same ? null : wanted
    return say(ids, field(ids, 'mark', value), (to) => to.judge(ids, 'mark', value))
  }

  function rate(ids: readonly number[], rating: number | null): Promise<unknown> {
    return say(ids, field(ids, 'rating', rating), (to) => to.judge(ids, 'rating', rating === null ? null : String(rating)))
  }

  function fail(ids: readonly number[], failed: boolean): Promise<unknown> {
    return say(ids, field(ids, 'failed', failed), (to) => to.judge(ids, 'failed', failed ? 'yes' : null))
  }

  function tag(ids: readonly number[], name: string, on: boolean): Promise<unknown> {
    const next = ({ tags }: ImageDetails): string[] => (on ? [...new Set([...tags, name])].sort() : tags.filter((other) => other !== name))
    const show: Show = () => shownIn(ids, (one) => one.tags, (one, tags) => ({ ...one, tags }), next)
    return say(ids, show, (to) => to.judge(ids, `tag/${name}`, on ? 'yes' : null))
  }

  function note(ids: readonly number[], text: string): Promise<unknown> {
    const value = text.trim() || null
    const show: Show = () => shownIn(ids, (one) => one.note, (one, to) => ({ ...one, note: to }), () => value)
    return say(ids, show, (to) => to.judge(ids, 'note', value))
  }

  /** Say how a placeholder's value came out; `revert` takes back what the caller showed at once. */
  function verdict(ids: readonly number[], placeholder: string, value: Verdict | null, revert = (): void => undefined): Promise<unknown> {
    const set = (one: ImageDetails, to: Verdict | null): ImageDetails => {
      const of = one.values[placeholder]
      return of ? { ...one, values: { ...one.values, [placeholder]: { ...of, verdict: to } } } : one
    }
    const show: Show = () => {
      const hide = shownIn(ids, (one) => one.values[placeholder]?.verdict ?? null, set, () => value)
      return () => {
        hide()
        revert()
      }
    }
    return say(ids, show, (to) => to.judge(ids, `value/${placeholder}`, value))
  }

  /** Mark as trash what a model calls failed, as one step. */
  function stage(ids: readonly number[], body: object): Promise<Judged | undefined> {
    return say(ids, field(ids, 'mark', 'trash'), (to) => to.post<Judged>('/sdgen/scoring/failed', body))
  }

  function session(slugs: readonly string[], what: string, value: string | null, revert = (): void => undefined): Promise<unknown> {
    return say([], () => revert, (to) => to.judgeSessions(slugs, what, value))
  }

  /** Take the last step back; gives what it was called. */
  const undo = (): Promise<string | null> => turn(done, undone, (to) => to.undo(), 'hide')
  const redo = (): Promise<string | null> => turn(undone, done, (to) => to.redo(), 'show')

  async function turn(from: Step[], to: Step[], ask: (api: Api) => Promise<Turned>, way: 'hide' | 'show'): Promise<string | null> {
    const step = from.pop()
    const toggle = (hide: boolean): void => {
      if (hide) step?.hide()
      else if (step) step.hide = step.show()
    }
    toggle(way === 'hide')
    const putBack = (): void => {
      if (!step || step.failed) return
      from.push(step)
      toggle(way !== 'hide')
    }
    const changed = step ? null : new Promise<readonly number[]>((resolve) => (heard = resolve))
    try {
      const answer = await write(ask, false)
      if (!step) turned.value = answer.label === null ? [] : ((await soon(changed)) ?? [])
      else if (answer.label === step.label) {
        to.push(step)
        turned.value = step.images
      } else {
        putBack() // somebody else has judged in between: it was their step
        turned.value = []
      }
      return named(answer.label)
    } catch (error) {
      putBack()
      complain(error)
      return null
    }
  }

  const soon = <T>(promise: Promise<T> | null): Promise<T | undefined> =>
    Promise.race([promise ?? Promise.resolve(undefined), new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), EVENTS))])

  /** When everything that was said is written. */
  const settled = (): Promise<unknown> => last

  return { undoable, redoable, writing, turned, use, mark, rate, fail, tag, note, verdict, stage, session, undo, redo, settled }
})
