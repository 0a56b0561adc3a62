/** Thumbnails that this page has loaded: what is at their addresses never changes, so showing them again asks nobody. */

import { inject, type InjectionKey, type Ref } from 'vue'

const KEPT = 50_000
const loaded = new Set<string>()

export const isLoaded = (address: string): boolean => loaded.has(address)

export function nowLoaded(address: string): void {
  if (loaded.size >= KEPT) loaded.clear()
  loaded.add(address)
}

/** Whether images pass so quickly that nobody can see them. */
export const QUICK: InjectionKey<Ref<boolean>> = Symbol('quick')

export const useQuick = (): Ref<boolean> | undefined => inject(QUICK, undefined)
