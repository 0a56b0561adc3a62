import { inject, type InjectionKey } from 'vue'

import type { Views } from './view'

export const VIEWS: InjectionKey<Views> = Symbol('views')

/** Where the user is, and how to go elsewhere. */
export function useViews(): Views {
  const views = inject(VIEWS)
  if (!views) throw new Error('used outside of the application')
  return views
}
