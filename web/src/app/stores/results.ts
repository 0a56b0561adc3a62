/** What is found: the ids of everything in order, and what is shown of those that somebody looks at. */

import { defineStore } from 'pinia'
import { computed, ref, shallowReactive, shallowRef } from 'vue'

import { type Api, ApiError, type Card } from '../api'

/** Cards that are kept, that are asked for in one request, and such requests at a time. */
const KEPT = 4_000
const TOGETHER = 200
const AT_A_TIME = 2
/** How long (ms) a request is left to itself of whose cards nobody looks at any more, while others wait. */
const LEFT = 150
/** How long (ms) changes are collected before the order is asked for again. */
const PATIENCE = 300

const NONE = new Int32Array(0)

const questionOf = (query: string, order: string): string => `${order}\n${query}`

interface Flight {
  ids: Set<number>
  stop: AbortController
  began: number
}

function equal(one: Int32Array, other: Int32Array): boolean {
  return one.length === other.length && one.every((id, at) => id === other[at])
}

export const useResults = defineStore('results', () => {
  const q = ref('')
  const sort = ref('')
  const ids = shallowRef<Int32Array>(NONE)
  /** What `ids` is the answer to; another text after each other question. */
  const answered = ref('')
  const loading = ref(false)
  const error = shallowRef<ApiError | null>(null)
  /** Counts the answers that were different, so that what depends on the order can begin anew. */
  const answers = ref(0)
  /** Counts what the server tells of images that are new or different. */
  const changes = ref(0)
  const cards = shallowReactive(new Map<number, Card>())
  const total = computed(() => ids.value.length)
  /** Whether what is there answers an earlier question than the one that is asked. */
  const stale = computed(() => answered.value !== questionOf(q.value, sort.value))

  /** Ids that are asked for, and those that no card came for. */
  const asked = new Set<number>()
  const absent = new Set<number>()
  const flights = new Set<Flight>()
  let looked: readonly [number, number] = [0, 0]

  let api: Api | undefined
  let first: Promise<readonly Card[]> | undefined
  let running: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  /** `cards`: the first ones, if they were asked for before there was anybody to show them. */
  function use(given: Api, cards?: Promise<readonly Card[]>): void {
    api = given
    first = cards
  }

  /** Ask for what `query` finds. The list that is there stays until the new one is, and when the query cannot be read. */
  async function find(query: string, order: string): Promise<void> {
    q.value = query
    sort.value = order
    clearTimeout(timer)
    timer = undefined
    running?.abort()
    const mine = (running = new AbortController())
    loading.value = true
    try {
      const found = await needed().ids(query, order, mine.signal)
      for (const card of (await first) ?? []) keep(card)
      first = undefined
      if (mine.signal.aborted) return
      take(found, questionOf(query, order))
    } catch (failure) {
      if (mine.signal.aborted) return
      error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', String(failure), '')
    } finally {
      if (running === mine) loading.value = false
    }
  }

  function take(found: Int32Array, question: string): void {
    error.value = null
    absent.clear()
    const same = question === answered.value
    if (same && equal(found, ids.value)) return
    answered.value = question
    ids.value = found
    answers.value++
  }

  /** Have the cards of these places soon: what somebody looks at now. What was looked at before and is not here yet gives way. */
  function need(from: number, to: number): void {
    looked = [Math.max(0, from), Math.min(to, ids.value.length)]
    pump()
  }

  function pump(): void {
    const missing: number[] = []
    for (let at = looked[0]; at < looked[1]; at++) {
      const id = ids.value[at] ?? 0
      if (!cards.has(id) && !asked.has(id) && !absent.has(id)) missing.push(id)
    }
    if (!missing.length) return
    const shown = new Set(ids.value.subarray(...looked))
    for (let at = 0; at < missing.length && makeRoom(shown); at += TOGETHER) void fly(missing.slice(at, at + TOGETHER))
  }

  /** Whether another request may begin. */
  function makeRoom(shown: ReadonlySet<number>): boolean {
    if (flights.size < AT_A_TIME) return true
    for (const flight of flights)
      if (performance.now() - flight.began > LEFT && ![...flight.ids].some((id) => shown.has(id))) flight.stop.abort()
    return false
  }

  async function fly(wanted: number[]): Promise<void> {
    const flight = { ids: new Set(wanted), stop: new AbortController(), began: performance.now() }
    flights.add(flight)
    const came = await fetchCards(wanted, flight.stop.signal)
    flights.delete(flight)
    // What could not be had is asked for again when somebody scrolls, and not before.
    if (came || flight.stop.signal.aborted) pump()
  }

  async function fetchCards(wanted: number[], signal?: AbortSignal): Promise<boolean> {
    for (const id of wanted) asked.add(id)
    try {
      const came = await needed().cards(wanted, signal)
      for (const card of came) keep(card)
      for (const id of wanted) if (!cards.has(id)) absent.add(id)
      return true
    } catch {
      return false
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
    const names = Object.keys(change) as (keyof Card)[]
    return () => {
      for (const card of before) {
        const now = cards.get(card.id)
        // Where something else is shown since, that stays.
        if (now && names.every((name) => now[name] === change[name])) cards.set(card.id, { ...now, ...Object.fromEntries(names.map((name) => [name, card[name]])) })
      }
    }
  }

  /** The server said that images are new or different. */
  function told(added: readonly number[], changed: readonly number[]): void {
    const shown = changed.filter((id) => cards.has(id))
    for (let at = 0; at < shown.length; at += TOGETHER) void fetchCards(shown.slice(at, at + TOGETHER))
    if (!added.length && !changed.length) return
    changes.value++
    again()
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
    changes.value++
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

  return { q, sort, ids, total, loading, error, answered, answers, changes, stale, cards, use, find, need, patch, told, reload, placeOf }
})
