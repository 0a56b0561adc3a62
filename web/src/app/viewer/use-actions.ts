/** What can be done with an image's file: copy what it says, open its workflow, make it again with other seeds. */

import { ref } from 'vue'

import { ApiError, type ImageDetails } from '../api'
import { useApi, usePlatform, useTexts } from '../provided'
import { openOnCanvas, sendToNode } from '../images/send'
import { copy } from './clipboard'
import { freshSeeds, hasSeed, reseeded } from './requeue'

/** Why a session cannot be extended by an image: then it is made from the graph in its file, and saved beside the session. */
const BESIDE = new Set(['unknown-session', 'empty-plan', 'bad-state', 'bad-request', 'needs-comfyui'])

export function useActions(image: () => ImageDetails | undefined) {
  const api = useApi()
  const platform = usePlatform()
  const { found, viewing: texts } = useTexts()
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

  async function doing(summary: string, act: (image: ImageDetails) => Promise<unknown>): Promise<boolean> {
    const now = image()
    if (!now || busy.value) return false
    busy.value = true
    try {
      return (await act(now)) !== false
    } catch (error) {
      explain(summary, error)
      return false
    } finally {
      busy.value = false
    }
  }

  /** Do something with what the file itself says. */
  const withFile = (summary: string, act: (file: Awaited<ReturnType<typeof api.metadata>>) => Promise<unknown>): Promise<boolean> =>
    doing(summary, async ({ id }) => act(await api.metadata(id)))

  const copyPrompt = (): Promise<void> => put(image()?.prompt)
  const copyNegative = (): Promise<void> => put(image()?.negative)
  const copySeed = (): Promise<void> => put(image()?.seed)
  const copyParameters = (): Promise<boolean> => withFile(texts.notCopied, ({ parameters }) => put(parameters))
  const copyWorkflow = (): Promise<boolean> =>
    withFile(texts.notCopied, ({ workflow, prompt }) => put(workflow ?? prompt ? JSON.stringify(workflow ?? prompt, null, 2) : null))

  const openWorkflow = (): Promise<boolean> =>
    doing(texts.noWorkflow, async (image) => {
      const opened = await openOnCanvas(api, platform, image)
      if (!opened) platform.toast('warn', texts.noWorkflow, texts.noWorkflowHint)
      return opened
    })

  const send = (): Promise<boolean> =>
    doing(found.notSent, async (image) => platform.toast('success', found.sentTitle, found.sent(...(await sendToNode(api, platform, image)))))

  /** Have the image made `count` times again, each time with another seed: in its session, or else beside it. */
  const requeue = (count: number): Promise<boolean> =>
    doing(texts.notQueued, async (image) => {
      const seeds = image.seed === null ? [] : freshSeeds(count, image.seed)
      for (const seed of seeds.slice()) {
        if (!(await inSession(image, seed))) break
        seeds.shift()
      }
      if (seeds.length) {
        const { prompt, workflow } = await api.metadata(image.id)
        if (!prompt || image.seed === null || !hasSeed(prompt, image.seed)) {
          platform.toast('warn', texts.notQueued, prompt ? texts.noSeedInGraph : texts.noGraph)
          return false
        }
        for (const fresh of seeds) await platform.queue?.(reseeded(prompt, image.seed, fresh), workflow)
      }
      platform.toast('success', texts.requeued(count), seeds.length ? texts.requeuedBeside : texts.requeuedInside(image.session_name))
      return true
    })

  /** Extend the image's session by it with another seed. False: it is no session of this ComfyUI, or the session waits for somebody. */
  async function inSession({ session, values }: ImageDetails, seed: number): Promise<boolean> {
    const keys = Object.fromEntries(Object.entries(values).map(([name, { key }]) => [name, key]))
    try {
      await api.post('/sdgen/compare/queue', { session, values: keys, seed: String(seed) })
      return true
    } catch (error) {
      if (error instanceof ApiError && BESIDE.has(error.code)) return false
      throw error
    }
  }

  return { busy, copyPrompt, copyNegative, copySeed, copyParameters, copyWorkflow, openWorkflow, send, requeue }
}
