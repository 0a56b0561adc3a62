/** What is found: the ids of everything in order, and what is shown of those that somebody looks at. */

import { defineStore } from 'pinia'
import { computed, ref, shallowReactive, shallowRef } from 'vue'

import { type Api, ApiError, type Card } from '../api'

/** Cards that are kept, and that are asked for at once. */
const KEPT = 4_000
const TOGETHER = 200
/** How long (ms) changes are collected before the order is asked for again. */
const PATIENCE = 300

const NONE = new Int32Array(0)

/** The text of a query in one session. */
export function within(session: string, q: string): string {
  return session ? `session:${quoted(session)} ${q}`.trim() : q
}

/** A name as a query has it. */
export function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `"${name.replace(/(["\\])/g, '\\$1')}"`
}

export const useResults = defineStore('results', () => {
  const q = ref('')
  const sort = ref('')
  const ids = shallowRef<Int32Array>(NONE)
  const loading = ref(false)
  const error = shallowRef<ApiError | null>(null)
  /** Counts every answer, so that what depends on the order can begin anew. */
  const answers = ref(0)
  const cards = shallowReactive(new Map<number, Card>())
  const asked = new Set<number>()
  const total = computed(() => ids.value.length)

  let api: Api | undefined
  let running: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function use(given: Api): void {
    api = given
  }

  /** Ask for what `query` finds. The list that is there stays until the new one is. */
  async function find(query: string, order: string): Promise<void> {
    q.value = query
    sort.value = order
    clearTimeout(timer)
    running?.abort()
    const mine = (running = new AbortController())
    loading.value = true
    try {
      const found = await needed().ids(query, order || null, mine.signal)
      if (mine.signal.aborted) return
      ids.value = found
      error.value = null
      answers.value++
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', String(failure), '')
      if (error.value.code === 'bad-query') ids.value = NONE
    } finally {
      if (running === mine) loading.value = false
    }
  }

  /** Have the cards of these places soon. */
  function need(from: number, to: number): void {
    const wanted: number[] = []
    for (let at = Math.max(0, from); at < Math.min(to, ids.value.length); at++) {
      const id = ids.value[at] ?? 0
      if (!cards.has(id) && !asked.has(id)) wanted.push(id)
    }
    for (let at = 0; at < wanted.length; at += TOGETHER) void fetchCards(wanted.slice(at, at + TOGETHER))
  }

  async function fetchCards(wanted: number[]): Promise<void> {
    for (const id of wanted) asked.add(id)
    try {
      for (const card of await needed().cards(wanted)) keep(card)
    } catch {
      // What is looked at is asked for again at the next scroll.
    } finally {
      for (const id of wanted) asked.delete(id)
    }
  }

  function keep(card: Card): void {
    cards.delete(card.id)
    cards.set(card.id, card)
    while (cards.size > KEPT) {
      const oldest = cards.keys().next().value
      if (oldest === undefined) break
      cards.delete(oldest)
    }
  }

  /** Change what is shown of images at once; gives the function that takes it back. */
  function patch(changed: readonly number[], change: Partial<Card>): () => void {
    const before: Card[] = []
    for (const id of changed) {
      const card = cards.get(id)
      if (!card) continue
      before.push(card)
      cards.set(id, { ...card, ...change })
    }
    return () => {
      for (const card of before) if (cards.has(card.id)) cards.set(card.id, card)
    }
  }

  /** The server said that images are new or different. */
  function told(added: readonly number[], changed: readonly number[]): void {
    const shown = changed.filter((id) => cards.has(id))
    for (let at = 0; at < shown.length; at += TOGETHER) void fetchCards(shown.slice(at, at + TOGETHER))
    if (added.length || changed.length) again()
  }

  /** Ask for the order again, soon. */
  function again(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      void find(q.value, sort.value)
    }, PATIENCE)
  }

  /** Everything may be different: the connection was away. */
  function reload(): void {
    const shown = [...cards.keys()].slice(-TOGETHER)
    cards.clear()
    void fetchCards(shown)
    again()
  }

  function needed(): Api {
    if (!api) throw new Error('the results have no server yet')
    return api
  }

  /** The place of an image; -1 when it is not found. */
  function placeOf(id: number): number {
    return ids.value.indexOf(id)
  }

  return { q, sort, ids, total, loading, error, answers, cards, use, find, need, patch, told, reload, placeOf }
})
