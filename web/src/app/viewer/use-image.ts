/** One image and what can be said about it: the same in the viewer and in the review. */

import { computed, onScopeDispose, ref, watch } from 'vue'

import type { ImageDetails } from '../api'
import type { Handlers } from '../keys'
import { useApi, usePlatform } from '../provided'
import { type Mark, useJudging, type Verdict } from '../stores/judging'
import { useDetails } from './details'

export const VERDICTS = ['ok', 'partial', 'ko'] as const
/** What became of an image in a sweep, where every combination is made with the same seeds. */
export const SWEEP_VERDICTS = ['no-effect', 'unintended'] as const

const sweeps = new Map<string, Promise<boolean>>()

export function useImage(id: () => number) {
  const api = useApi()
  const platform = usePlatform()
  const judging = useJudging()
  const details = useDetails()
  details.use(api)

  const image = computed<ImageDetails | undefined>(() => details.known.get(id()))
  const problem = computed(() => details.problems.get(id()))
  watch(id, (now) => void details.need(now), { immediate: true })

  const stops = [
    platform.on('images', ({ changed }) => void judging.settled().then(() => details.told(changed))),
    platform.on('reload', () => details.reload(id()))
  ]
  onScopeDispose(() => {
    for (const stop of stops) stop()
  })

  const isSweep = ref(false)
  watch(
    () => image.value?.session,
    async (slug) => {
      isSweep.value = slug !== undefined && (await sweepOf(slug))
    },
    { immediate: true }
  )

  function sweepOf(slug: string): Promise<boolean> {
    let known = sweeps.get(slug)
    if (!known) {
      known = api.get<{ sweep: boolean }>(`/sdgen/library/sessions/${encodeURIComponent(slug)}`).then(
        ({ sweep }) => sweep,
        () => false
      )
      sweeps.set(slug, known)
    }
    return known
  }

  const names = computed(() => Object.keys(image.value?.values ?? {}))
  /** The placeholder that was chosen by its number or by a press; empty: the first that nothing is said of. */
  const chosen = ref('')
  const asked = computed(() => {
    if (names.value.includes(chosen.value)) return chosen.value
    return names.value.find((name) => !image.value?.values[name]?.verdict) ?? names.value[0] ?? ''
  })

  /** Say how a value came out; what was said already is taken away. Gives what is said now, or undefined where there is no value. */
  function say(name: string, verdict: Verdict): Verdict | null | undefined {
    const value = image.value?.values[name]
    if (!value) return undefined
    const said = value.verdict === verdict ? null : verdict
    void judging.verdict([id()], name, said)
    return said
  }

  return { image, problem, names, chosen, asked, isSweep, say }
}

/** The keys for marks, ratings and failures, on whatever is looked at or selected; `after` hears what was said. */
export function markKeys(ids: () => readonly number[], judging: ReturnType<typeof useJudging>, after: () => unknown = () => undefined): Handlers {
  const known = useDetails().known
  const some = (act: (ids: readonly number[]) => unknown) => (): unknown => {
    const now = ids()
    if (!now.length) return false
    act(now)
    return after()
  }
  const mark = (wanted: Mark | null) => some((now) => judging.mark(now, wanted))
  const rate = (stars: number) => some((now) => judging.rate(now, now.every((id) => known.get(id)?.rating === stars) ? null : stars))
  return {
    favourite: mark('favourite'),
    interesting: mark('interesting'),
    trash: mark('trash'),
    untag: mark(null),
    failed: some((now) => judging.fail(now, !now.every((id) => known.get(id)?.failed))),
    rate1: rate(1),
    rate2: rate(2),
    rate3: rate(3),
    rate4: rate(4),
    rate5: rate(5)
  }
}
