/** An image on its way to ComfyUI: its workflow onto the canvas, its file among those that nodes load. */

import { type Api, ApiError, type Card } from '../api'
import type { Platform } from '../platform'

/** Open the workflow that an image was made by. False: its file has none. */
export async function openOnCanvas(api: Api, platform: Platform, card: Card): Promise<boolean> {
  const { workflow } = await api.metadata(card.id)
  if (!workflow || !platform.openWorkflow) return false
  await platform.openWorkflow(workflow, card.file.replace(/\.\w+$/, ''))
  return true
}

/** Copy an image into ComfyUI's input folder, by ComfyUI's own upload; gives its name there. */
export async function copyToInput(platform: Platform, card: Card): Promise<string> {
  const file = await platform.fetch(`/sdgen/images/${String(card.id)}/file`)
  if (!file.ok) throw new ApiError('missing-file', `${String(file.status)} ${file.statusText}`, '')
  const form = new FormData()
  form.append('image', await file.blob(), card.file)
  form.append('type', 'input')
  const answer = await platform.fetch('/upload/image', { method: 'POST', body: form })
  if (!answer.ok) throw new ApiError('server-error', `${String(answer.status)} ${answer.statusText}`, '')
  return ((await answer.json()) as { name: string }).name
}
