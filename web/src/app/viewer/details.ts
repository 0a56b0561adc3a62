/** What is known of single images: asked for when somebody looks, kept for those that were looked at last. */

import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'

import { type Api, ApiError, type ImageDetails } from '../api'

const KEPT = 300

export const useDetails = defineStore('details', () => {
  const known = shallowReactive(new Map<number, ImageDetails>())
  const problems = shallowReactive(new Map<number, ApiError>())
  const asked = new Map<number, Promise<void>>()
  /** Counts what was changed here of an image, so that an older answer does not come over it. */
  const edits = new Map<number, number>()
  let api: Api | undefined

  function use(given: Api): void {
    api = given
  }

  /** Have an image's details soon. */
  function need(id: number): Promise<void> {
    return known.has(id) || id <= 0 ? Promise.resolve() : refresh(id)
  }

  function refresh(id: number): Promise<void> {
    const running = asked.get(id)
    if (running) return running
    const mine = ask(id).finally(() => asked.delete(id))
    asked.set(id, mine)
    return mine
  }

  async function ask(id: number): Promise<void> {
    if (!api) return
    for (let tries = 0; tries < 3; tries++) {
      const before = edits.get(id)
      try {
        const found = await api.image(id)
        if (edits.get(id) !== before) continue
        problems.delete(id)
        known.delete(id)
        known.set(id, found)
        for (const oldest of known.keys()) {
          if (known.size <= KEPT) break
          known.delete(oldest)
          edits.delete(oldest)
        }
      } catch (error) {
        problems.set(id, error instanceof ApiError ? error : new ApiError('no-answer', String(error), ''))
      }
      return
    }
  }

  /** The server said that images are different. */
  function told(changed: readonly number[]): void {
    for (const id of changed) if (known.has(id)) void refresh(id)
  }

  /** Everything may be different; what is looked at is asked for again. */
  function reload(looked: number): void {
    for (const id of [...known.keys()]) if (id !== looked) known.delete(id)
    problems.clear()
    if (looked) void refresh(looked)
  }

  /** Show something else of an image. */
  function put(id: number, changed: ImageDetails): void {
    if (!known.has(id)) return
    edits.set(id, (edits.get(id) ?? 0) + 1)
    known.set(id, changed)
  }

  return { known, problems, use, need, refresh, told, reload, put }
})
