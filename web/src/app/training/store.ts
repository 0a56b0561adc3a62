/** The runs, the data sets and the improvements: asked for when they are looked at, and followed by what the server tells. */

import { onScopeDispose, ref, shallowRef } from 'vue'

import { ApiError } from '../api'
import { useApi, usePlatform, useTexts } from '../provided'
import { type Act, complaint, type Dataset, type Datasets, type Improvement, type Improvements, type RunCard, type Runs, withRun } from './model'
import { useWords } from './words'

/** How long (ms) news are collected before all is asked for anew. */
const PATIENCE = 400

export function useTraining() {
  const api = useApi()
  const platform = usePlatform()
  const texts = useTexts()
  const words = useWords()
  const runs = shallowRef<RunCard[] | null>(null)
  const datasets = shallowRef<Dataset[]>([])
  const improvements = shallowRef<Improvement[]>([])
  /** Why nothing can be trained here. */
  const problem = ref('')
  const error = shallowRef<ApiError | null>(null)
  let asking = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    asking.abort()
    const { signal } = (asking = new AbortController())
    try {
      const [told, sets, better] = await Promise.all([
        api.get<Runs>('/sdgen/training/runs', {}, signal),
        api.get<Datasets>('/sdgen/training/datasets', {}, signal),
        api.get<Improvements>('/sdgen/training/improvements', {}, signal)
      ])
      if (signal.aborted) return
      runs.value = told.runs
      problem.value = told.problem
      datasets.value = sets.datasets
      improvements.value = better.improvements
      error.value = null
    } catch (failure) {
      if (!signal.aborted) error.value = failure instanceof ApiError ? failure : new ApiError('no-answer', texts.noServer, '')
    }
  }
  const soon = (): void => void (timer ??= setTimeout(() => void load(), PATIENCE))

  const stops = [
    platform.on('training', ({ id, run }) => {
      if (!id) soon() // a data set, or an improvement
      else if (runs.value) runs.value = withRun(runs.value, id, run)
    }),
    platform.on('reload', soon)
  ]
  onScopeDispose(() => {
    for (const stop of stops) stop()
    asking.abort()
    clearTimeout(timer)
  })

  /** Do something with a run; false: it was refused, which is said. */
  async function act(id: string, what: Act): Promise<boolean> {
    try {
      const told = await api.post<{ run?: string } & Partial<RunCard>>(`/sdgen/training/runs/${encodeURIComponent(id)}/${what}`, {})
      if (runs.value) runs.value = withRun(runs.value, id, what === 'forget' ? null : (told as RunCard))
      return true
    } catch (failure) {
      platform.toast('error', complaint(failure, words))
      return false
    }
  }

  return { runs, datasets, improvements, problem, error, load, act }
}
