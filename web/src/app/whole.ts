/** The application as the whole page. */

import { createGallery } from './create'
import type { Platform } from './platform'
import css from './style.css?inline'
import { addStyles } from './styles'

export async function showAlone(platform: Platform): Promise<void> {
  addStyles(css)
  const root = document.createElement('div')
  document.body.append(root)
  const app = await createGallery(platform, 'alone')
  app.mount(root)
}
