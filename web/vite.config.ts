import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Plugin } from 'vite'
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

export default defineConfig({
  base: './',
  plugins: [helpPages(join(import.meta.dirname, 'docs'))],
  build: {
    outDir: 'dist',
    target: 'es2022',
    // One .js file: ComfyUI's page imports every .js below the web folder at its start. Chunks that are loaded later end in .mjs.
    lib: { entry: 'src/entry.ts', formats: ['es'], fileName: () => 'sdgen.js' },
    modulePreload: false,
    rollupOptions: {
      external: ['/scripts/app.js', '/scripts/api.js'],
      output: {
        // Relative to /extensions/<pack>/chunks/, so that a ComfyUI below a path of a proxy works too.
        paths: { '/scripts/app.js': '../../../scripts/app.js', '/scripts/api.js': '../../../scripts/api.js' },
        // Of its own, so that no later chunk imports the entry: at another address it would be run twice.
        manualChunks: (id) => (id.endsWith('/src/host.ts') ? 'host' : undefined),
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
