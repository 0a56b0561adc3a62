/** The application as a Vue app: the same in ComfyUI's page and alone. */

import { createPinia } from 'pinia'
import { type App, createApp } from 'vue'

import { Api } from './api'
import Gallery from './Gallery.vue'
import { PLATFORM, type Platform } from './platform'
import SideTab from './tab/SideTab.vue'
import { API, TEXTS } from './provided'
import { textsIn } from './texts'

/** `full` covers ComfyUI's canvas, `alone` is a page of its own, `tab` is ComfyUI's sidebar. */
export type Surface = 'full' | 'alone' | 'tab'

const pinia = createPinia()

/** Make the application, in the user's language. The surfaces of a page share their state. */
export async function createGallery(platform: Platform, surface: Surface, props: Record<string, unknown> = {}): Promise<App> {
  const texts = await textsIn(platform.language())
  const app = surface === 'tab' ? createApp(SideTab, props) : createApp(Gallery, { ...props, surface })
  app.use(pinia)
  app.provide(PLATFORM, platform)
  app.provide(API, new Api(platform, texts))
  app.provide(TEXTS, texts)
  return app
}
