/** The list of sessions as far as it was read: page behind page, changed in place when something happens to a session. */

import { defineStore } from 'pinia'
import { computed, ref, shallowReactive, shallowRef } from 'vue'

import { type Api, ApiError } from '../api'
import type { SessionBounds, SessionCard, SessionDetails, SessionList } from './model'

const PAGE = 60
const MOST = 500
/** So many sessions that changed are asked for one by one; more, and the list is read again. */
const SINGLY = 6
/** How long (ms) news are collected, and how long the list is left alone after it was read again. */
const PATIENCE = 400
const REST = 2_000

export const ROUTE = '/sdgen/library/sessions'

export const useSessionList = defineStore('session-list', () => {
  const search = ref('')
  const slugs = shallowRef<readonly string[]>([])
  const cards = shallowReactive(new Map<string, SessionCard>())
  const total = ref(0)
  const bounds = shallowRef<SessionBounds | null>(null)
  const loading = ref(false)
  const error = shallowRef<ApiError | null>(null)
  /** Counts the answers to new questions: what is shown begins at the top. */
  const answers = ref(0)
  const shown = computed(() => slugs.value.map((slug) => cards.get(slug)).filter((card) => card !== undefined))

  let api: Api | undefined
  let next: string | null = null
  let asking = new AbortController()
  let reading: Promise<void> | undefined
  let wanted = 0
  const news = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let rested = 0

  function use(given: Api): void {
    api = given
  }

  function page(after: string | null, limit: number, signal: AbortSignal): Promise<SessionList> {
    if (!api) throw new Error('the list of sessions has no server yet')
    const query = new URLSearchParams(search.value)
    if (after !== null) query.set('after', after)
    query.set('limit', String(limit))
    return api.get<SessionList>(`${ROUTE}?${query}`, {}, signal)
  }

  function fail(failure: unknown): void {
    error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', String(failure), '')
  }

  /** Begin a new list. The one that is there stays until it is. */
  async function find(text: string): Promise<void> {
    search.value = text
    await start(async (signal) => {
      const first = await page(null, PAGE, signal)
      if (signal.aborted) return
      take([first])
      answers.value++
    })
  }

  /** Ask the server; what was asked before is of no interest any more. */
  async function start(ask: (signal: AbortSignal) => Promise<void>): Promise<void> {
    asking.abort()
    const { signal } = (asking = new AbortController())
    reading = undefined
    wanted = 0
    next = null // of the list before
    loading.value = true
    try {
      await ask(signal)
      if (!signal.aborted) error.value = null
    } catch (failure) {
      if (!signal.aborted) fail(failure)
    } finally {
      if (asking.signal === signal) {
        loading.value = false
        if (wanted > slugs.value.length) void more(wanted)
      }
    }
  }

  function take(pages: readonly SessionList[]): void {
    const last = pages.at(-1)
    if (!last) return
    const found = pages.flatMap((one) => one.sessions)
    const stay = new Set(found.map(({ slug }) => slug))
    for (const card of found) cards.set(card.slug, card)
    for (const slug of cards.keys()) if (!stay.has(slug)) cards.delete(slug)
    slugs.value = [...stay]
    said(last)
    next = last.next
  }

  function said(answer: SessionList): void {
    total.value = answer.total
    bounds.value = answer.bounds
  }

  /** Read on until there are `count` sessions, or all. */
  function more(count: number): Promise<void> {
    wanted = Math.max(wanted, Math.min(count, total.value))
    if (next !== null) reading ??= readOn(asking.signal)
    return reading ?? Promise.resolve()
  }

  async function readOn(signal: AbortSignal): Promise<void> {
    try {
      while (next !== null && slugs.value.length < wanted) {
        loading.value = true
        const answer = await page(next, Math.min(MOST, Math.max(PAGE, wanted - slugs.value.length)), signal)
        if (signal.aborted) return
        for (const card of answer.sessions) cards.set(card.slug, card)
        slugs.value = [...new Set([...slugs.value, ...answer.sessions.map(({ slug }) => slug)])]
        said(answer)
        next = answer.next
      }
      if (!signal.aborted) error.value = null
    } catch (failure) {
      if (signal.aborted) return
      // The session that the page follows has gone: everything is read again.
      if (failure instanceof ApiError && failure.code === 'unknown-session') void refresh()
      else fail(failure)
    } finally {
      if (asking.signal === signal) {
        loading.value = false
        reading = undefined
      }
    }
  }

  /** Read as much again as was read, and show it when all of it is there. */
  async function refresh(): Promise<void> {
    const count = Math.max(PAGE, slugs.value.length, wanted)
    rested = Date.now()
    await start(async (signal) => {
      const pages: SessionList[] = []
      let after: string | null = null
      for (let have = 0; have < count && (have === 0 || after !== null); ) {
        const answer: SessionList = await page(after, Math.min(MOST, count - have), signal)
        pages.push(answer)
        after = answer.next
        have += answer.sessions.length || count
      }
      if (!signal.aborted) take(pages)
    })
  }

  /** Change what is shown of sessions at once; gives the function that takes it back, where nothing else was shown since. */
  function patch(changed: readonly string[], change: (card: SessionCard) => Partial<SessionCard>): () => void {
    const shownNow: [before: SessionCard, change: Partial<SessionCard>][] = []
    for (const slug of changed) {
      const card = cards.get(slug)
      if (!card) continue
      const to = change(card)
      shownNow.push([card, to])
      cards.set(slug, { ...card, ...to })
    }
    return () => {
      for (const [before, to] of shownNow) {
        const now = cards.get(before.slug)
        if (!now) continue
        const same = (Object.keys(to) as (keyof SessionCard)[]).filter((name) => JSON.stringify(now[name]) === JSON.stringify(to[name]))
        cards.set(before.slug, { ...now, ...Object.fromEntries(same.map((name) => [name, before[name]])) })
      }
    }
  }

  /** The server said that something about these sessions is new. */
  function told(changed: readonly string[]): void {
    for (const slug of changed) news.add(slug)
    if (news.size) timer ??= setTimeout(() => void hear(), PATIENCE)
  }

  async function hear(): Promise<void> {
    const [heard, unknown] = [[...news], [...news].some((slug) => !cards.has(slug))]
    if (loading.value || ((unknown || heard.length > SINGLY) && Date.now() - rested < REST)) {
      timer = setTimeout(() => void hear(), PATIENCE)
      return
    }
    timer = undefined
    news.clear()
    if (unknown || heard.length > SINGLY) await refresh()
    else await renew(heard)
  }

  /** Cards stay where they are, whatever the order says now: nothing jumps from under a finger. */
  async function renew(changed: readonly string[]): Promise<void> {
    const { signal } = asking
    try {
      const [answer, ...found] = await Promise.all([page(null, 1, signal), ...changed.map((slug) => details(slug, signal))])
      if (signal.aborted) return
      for (const card of found) if (cards.has(card.slug)) cards.set(card.slug, card)
      said(answer)
    } catch (failure) {
      if (!signal.aborted && failure instanceof ApiError && failure.code === 'unknown-session') await refresh()
    }
  }

  /** Everything about a session. Throws `ApiError`. */
  function details(slug: string, signal?: AbortSignal): Promise<SessionDetails> {
    if (!api) throw new Error('the list of sessions has no server yet')
    return api.get(`${ROUTE}/${encodeURIComponent(slug)}`, {}, signal)
  }

  return { search, slugs, cards, shown, total, bounds, loading, error, answers, use, find, more, refresh, patch, told, details }
})
