/** What every component can have: the server's routes, the words of the user's language. */

import { inject, type InjectionKey } from 'vue'

import type { Api } from './api'
import { PLATFORM, type Platform } from './platform'
import type { Texts } from './texts'

export const API: InjectionKey<Api> = Symbol('api')
export const TEXTS: InjectionKey<Texts> = Symbol('texts')

function needed<T>(key: InjectionKey<T>): T {
  const value = inject(key)
  if (value === undefined) throw new Error('used outside of the application')
  return value
}

export const useApi = (): Api => needed(API)
export const useTexts = (): Texts => needed(TEXTS)
export const usePlatform = (): Platform => needed(PLATFORM)
