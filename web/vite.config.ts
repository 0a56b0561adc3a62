import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Plugin, Rollup } from 'vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

/**
 * Node help pages. ComfyUI asks for `docs/<node>/<language>.md` and, for a language we do not have, for `docs/<node>.md`:
 * the English page is written to both places.
 */
function helpPages(folder: string): Plugin {
  return {
    name: 'sdgen-help-pages',
    generateBundle() {
      for (const node of readdirSync(folder, { withFileTypes: true })) {
        if (!node.isDirectory() || !node.name.startsWith('SDGen')) continue
        for (const page of readdirSync(join(folder, node.name))) {
          if (!page.endsWith('.md')) continue
          const source = readFileSync(join(folder, node.name, page), 'utf-8').replaceAll('\r\n', '\n')
          this.emitFile({ type: 'asset', fileName: `docs/${node.name}/${page}`, source })
          if (page === 'en.md') this.emitFile({ type: 'asset', fileName: `docs/${node.name}.md`, source })
        }
      }
    }
  }
}

/** The chunks that `names` import, those with them. */
function imported(bundle: Rollup.OutputBundle, names: readonly string[], found = new Set<string>()): Set<string> {
  for (const name of names) {
    const chunk = bundle[name]
    if (chunk?.type === 'chunk' && !found.has(name)) imported(bundle, chunk.imports, found.add(name))
  }
  return found
}

/** An entry is run wherever it is imported from: what is shared has to be in a chunk of its own. */
function entriesAlone(): Plugin {
  return {
    name: 'sdgen-entries-alone',
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle))
        for (const name of chunk.type === 'chunk' ? [...chunk.imports, ...chunk.dynamicImports] : []) {
          const part = bundle[name]
          if (part?.type === 'chunk' && part.isEntry) throw new Error(`${chunk.fileName} imports the entry ${name}: see manualChunks`)
        }
    }
  }
}

/** The page of the application alone: `sdgen gallery` serves it beside the chunks. What it needs at first is fetched all at once. */
function alonePage(): Plugin {
  return {
    name: 'sdgen-alone-page',
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((part) => part.type === 'chunk')
      const entry = chunks.find(({ isEntry, name }) => isEntry && name === 'alone')
      const screens = chunks.filter(({ moduleIds }) => moduleIds.some((id) => /\/(whole\.ts|(ImagesScreen|SessionsPane)\.vue)$/.test(id)))
      if (!entry || screens.length !== 3) throw new Error('the build has no entry called alone, or not its screens')
      const first = imported(bundle, [entry, ...screens].map(({ fileName }) => fileName))
      first.delete(entry.fileName)
      const links = [...first].map((name) => `<link rel="modulepreload" href="web/${name}">`).join('\n')
      const source = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="dark light">
<title>SDGen</title>
<link rel="icon" href="data:,">
${links}
<script type="module" src="web/${entry.fileName}"></script>
</html>
`
      this.emitFile({ type: 'asset', fileName: 'alone.html', source })
    }
  }
}

/** What entries and chunks that are loaded later both use. */
const SHARED = ['host', 'app/styles']

export default defineConfig({
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false' },
  base: './',
  plugins: [vue(), entriesAlone(), alonePage(), helpPages(join(import.meta.dirname, 'docs'))],
  build: {
    outDir: 'dist',
    target: 'es2022',
    modulePreload: false,
    rollupOptions: {
      input: { sdgen: join(import.meta.dirname, 'src/entry.ts'), alone: join(import.meta.dirname, 'src/app/alone.ts') },
      external: ['/scripts/app.js', '/scripts/api.js'],
      output: {
        // Relative to /extensions/<pack>/chunks/, so that a ComfyUI below a path of a proxy works too.
        paths: { '/scripts/app.js': '../../../scripts/app.js', '/scripts/api.js': '../../../scripts/api.js' },
        // Of their own, so that no later chunk imports an entry: it would be run there, too.
        manualChunks: (id) => SHARED.find((name) => id.endsWith(`/src/${name}.ts`))?.replace('app/', ''),
        // One .js file: ComfyUI's page imports every .js below the web folder at its start. What is loaded later ends in .mjs.
        entryFileNames: ({ name }) => (name === 'sdgen' ? 'sdgen.js' : 'chunks/[name]-[hash].mjs'),
        chunkFileNames: 'chunks/[name]-[hash].mjs',
        assetFileNames: 'assets/[name]-[hash][extname]'
      }
    }
  },
  test: {
    include: ['test/**/*.test.ts'],
    alias: { '/scripts/app.js': join(import.meta.dirname, 'test/fake-comfyui.ts'), '/scripts/api.js': join(import.meta.dirname, 'test/fake-comfyui.ts') }
  }
})
