import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Plugin } from 'vite'
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

/** The page of the application alone: `sdgen gallery` serves it beside the chunks. */
function alonePage(): Plugin {
  return {
    name: 'sdgen-alone-page',
    generateBundle(_, bundle) {
      const entry = Object.values(bundle).find((chunk) => chunk.type === 'chunk' && chunk.isEntry && chunk.name === 'alone')
      if (!entry) throw new Error('the build has no entry called alone')
      const source = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="dark light">
<title>SDGen</title>
<link rel="icon" href="data:,">
<script type="module" src="web/${entry.fileName}"></script>
</html>
`
      this.emitFile({ type: 'asset', fileName: 'alone.html', source })
    }
  }
}

export default defineConfig({
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false' },
  base: './',
  plugins: [vue(), alonePage(), helpPages(join(import.meta.dirname, 'docs'))],
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
        // Of its own, so that no later chunk imports the entry: at another address it would be run twice.
        manualChunks: (id) => (id.endsWith('/src/host.ts') ? 'host' : undefined),
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
