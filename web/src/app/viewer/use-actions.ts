/** What can be done with an image's file: copy what it says, open its workflow, make it again with other seeds. */

import { ref } from 'vue'

import { ApiError, type ImageDetails } from '../api'
import { useApi, usePlatform, useTexts } from '../provided'
import { copy } from './clipboard'
import { freshSeeds, hasSeed, reseeded } from './requeue'

export function useActions(image: () => ImageDetails | undefined) {
  const api = useApi()
  const platform = usePlatform()
  const texts = useTexts().viewing
  const busy = ref(false)

  function explain(summary: string, error: unknown): void {
    const { message, hint } = error instanceof ApiError ? error : { message: error instanceof Error ? error.message : String(error), hint: '' }
    platform.toast('error', summary, hint ? `${message} ${hint}` : message)
  }

  async function put(text: string | null | undefined): Promise<void> {
    const done = !!text && (await copy(text))
    if (!text) platform.toast('info', texts.nothingToCopy)
    else platform.toast(done ? 'success' : 'error', done ? texts.copied : texts.notCopied)
  }

  /** Do something with what the file itself says. */
  async function withFile(summary: string, act: (image: ImageDetails, file: Awaited<ReturnType<typeof api.metadata>>) => Promise<unknown>): Promise<boolean> {
    const now = image()
    if (!now || busy.value) return false
    busy.value = true
    try {
      return (await act(now, await api.metadata(now.id))) !== false
    } catch (error) {
      explain(summary, error)
      return false
    } finally {
      busy.value = false
    }
  }

  const copyPrompt = (): Promise<void> => put(image()?.prompt)
  const copyNegative = (): Promise<void> => put(image()?.negative)
  const copySeed = (): Promise<void> => put(image()?.seed)
  const copyParameters = (): Promise<boolean> => withFile(texts.notCopied, (_, { parameters }) => put(parameters))
  const copyWorkflow = (): Promise<boolean> =>
    withFile(texts.notCopied, (_, { workflow, prompt }) => put(workflow ?? prompt ? JSON.stringify(workflow ?? prompt, null, 2) : null))

  const openWorkflow = (): Promise<boolean> =>
    withFile(texts.noWorkflow, async ({ file }, { workflow, prompt }) => {
      const name = file.replace(/^.*\//, '').replace(/\.\w+$/, '')
      if (workflow && platform.openWorkflow) await platform.openWorkflow(workflow, name)
      else if (prompt && platform.openGraph) await platform.openGraph(prompt, name)
      else {
        platform.toast('warn', texts.noWorkflow, texts.noWorkflowHint)
        return false
      }
      return true
    })

  /** Queue the image's graph `count` times, each with a seed of its own. */
  const requeue = (count: number): Promise<boolean> =>
    withFile(texts.notQueued, async ({ seed }, { prompt, workflow }) => {
      if (!prompt || seed === null || !hasSeed(prompt, seed)) {
        platform.toast('warn', texts.notQueued, prompt ? texts.noSeedInGraph : texts.noGraph)
        return false
      }
      for (const fresh of freshSeeds(count, seed)) await platform.queue?.(reseeded(prompt, seed, fresh), workflow)
      platform.toast('success', texts.requeued(count), texts.requeuedHint)
      return true
    })

  return { busy, copyPrompt, copyNegative, copySeed, copyParameters, copyWorkflow, openWorkflow, requeue }
}
