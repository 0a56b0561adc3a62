/** Saying what one thinks of images: shown at once, written behind, taken back without end. */

import { defineStore } from 'pinia'
import { ref } from 'vue'

import { type Api, ApiError, type Card } from '../api'
import type { Platform } from '../platform'
import type { Texts } from '../texts'
import { useResults } from './results'

export type Mark = NonNullable<Card['mark']>
export type Verdict = 'ok' | 'partial' | 'ko' | 'no-effect' | 'unintended'

export const useJudging = defineStore('judging', () => {
  const undoable = ref<string | null>(null)
  const redoable = ref<string | null>(null)
  const results = useResults()

  let api: Api | undefined
  let platform: Platform | undefined
  let texts: Texts | undefined
  /** Writes go one after another, so that the last word is the last one said. */
  let last: Promise<unknown> = Promise.resolve()

  function use(given: { api: Api; platform: Platform; texts: Texts }): void {
    ;({ api, platform, texts } = given)
  }

  function write<T extends { undo: string | null; redo: string | null }>(ask: (api: Api) => Promise<T>, revert: () => void): Promise<T | undefined> {
    const mine = last.then(async () => {
      if (!api) return undefined
      try {
        const answer = await ask(api)
        undoable.value = answer.undo
        redoable.value = answer.redo
        return answer
      } catch (error) {
        revert()
        const { message, hint } = error instanceof ApiError ? error : { message: String(error), hint: '' }
        platform?.toast('error', texts?.notSaved ?? '', hint ? `${message}. ${hint}` : message)
        return undefined
      }
    })
    last = mine
    return mine
  }

  /** Set the mark of images; the mark they have already is taken away, as a second press of the key does. */
  function mark(ids: readonly number[], wanted: Mark | null): Promise<unknown> {
    const same = wanted !== null && ids.every((id) => results.cards.get(id)?.mark === wanted)
    const value = same ? null : wanted
    return write((to) => to.judge(ids, 'mark', value), results.patch(ids, { mark: value }))
  }

  function rate(ids: readonly number[], rating: number | null): Promise<unknown> {
    return write((to) => to.judge(ids, 'rating', rating === null ? null : String(rating)), results.patch(ids, { rating }))
  }

  function fail(ids: readonly number[], failed: boolean): Promise<unknown> {
    return write((to) => to.judge(ids, 'failed', failed ? 'yes' : null), results.patch(ids, { failed }))
  }

  function tag(ids: readonly number[], name: string, on: boolean): Promise<unknown> {
    return write((to) => to.judge(ids, `tag/${name}`, on ? 'yes' : null), () => undefined)
  }

  function note(ids: readonly number[], text: string): Promise<unknown> {
    return write((to) => to.judge(ids, 'note', text.trim() || null), () => undefined)
  }

  /** Say how a placeholder's value came out; `revert` takes back what the caller showed at once. */
  function verdict(ids: readonly number[], placeholder: string, value: Verdict | null, revert = (): void => undefined): Promise<unknown> {
    return write((to) => to.judge(ids, `value/${placeholder}`, value), revert)
  }

  function session(slugs: readonly string[], field: string, value: string | null, revert = (): void => undefined): Promise<unknown> {
    return write((to) => to.judgeSessions(slugs, field, value), revert)
  }

  /** Take the last step back; gives what it was called. */
  async function undo(): Promise<string | null> {
    return (await write((to) => to.undo(), () => undefined))?.label ?? null
  }

  async function redo(): Promise<string | null> {
    return (await write((to) => to.redo(), () => undefined))?.label ?? null
  }

  /** When everything that was said is written. */
  const settled = (): Promise<unknown> => last

  return { undoable, redoable, use, mark, rate, fail, tag, note, verdict, session, undo, redo, settled }
})
