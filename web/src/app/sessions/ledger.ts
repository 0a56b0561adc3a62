/** The sessions that this ComfyUI works at: how far they are, and what can be done to them. */

import { defineStore } from 'pinia'
import { computed, ref, shallowReactive } from 'vue'

import { type Api, ApiError } from '../api'
import type { Platform } from '../platform'
import { ACTIVE, type Order } from './model'

export type Action = 'pause' | 'resume' | 'stop' | 'retry' | 'extend' | 'verify'

export const useLedger = defineStore('ledger', () => {
  const orders = shallowReactive(new Map<string, Order>())
  const busy = ref(0)
  const running = computed(() => [...orders.values()].filter(({ state }) => ACTIVE.includes(state)))
  /** What runs, and what waits for somebody to let it go on. */
  const open = computed(() => [...orders.values()].filter(({ state }) => ACTIVE.includes(state) || state === 'paused'))

  let api: Api | undefined
  let platform: Platform | undefined

  /** Begin to listen, once a page. Without a ComfyUI there are no orders. */
  function start(given: { api: Api; platform: Platform }): void {
    if (api || !given.platform.comfyui) return
    ;({ api, platform } = given)
    platform.on('session', (told) => orders.set(told.id, { ...orders.get(told.id), ...told } as Order))
    platform.on('reload', () => void load())
    void load()
  }

  async function load(): Promise<void> {
    if (!api) return
    try {
      const { sessions } = await api.get<{ sessions: Order[] }>('/sdgen/sessions')
      orders.clear()
      for (const order of sessions) orders.set(order.id, order)
    } catch {
      // The engine could not start: the nodes say why when they are used.
    }
  }

  /** Do something to a session. Throws `ApiError`. */
  async function ask<T extends Order = Order>(id: string, action: Action, body: object = {}): Promise<T> {
    if (!api) throw new Error('the ledger has no server yet')
    busy.value++
    try {
      const answer = await api.post<T>(`/sdgen/sessions/${encodeURIComponent(id)}/${action}`, body)
      orders.set(id, { ...orders.get(id), ...answer })
      return answer
    } finally {
      busy.value--
    }
  }

  /** The same; undefined when it could not be done, which a message says. */
  async function act<T extends Order = Order>(id: string, action: Action, body: object = {}): Promise<T | undefined> {
    try {
      return await ask<T>(id, action, body)
    } catch (error) {
      const { message, hint } = error instanceof ApiError ? error : { message: String(error), hint: '' }
      platform?.toast('error', message, hint)
      return undefined
    }
  }

  return { orders, running, open, busy, start, load, ask, act }
})
