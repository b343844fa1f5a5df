import { svelte, vitePreprocess } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The server to develop against; the built console is served by it from the same origin.
const server = process.env.TANDEM_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte({ preprocess: vitePreprocess() })],
  server: { proxy: { '/api': server, '/v2': server } },
  build: {
    target: 'es2022',
    // MapLibre is one large file by nature; our own code has the budget, which the test of the bundle checks.
    chunkSizeWarningLimit: 1200,
    assetsInlineLimit: 0,
    rollupOptions: { output: { manualChunks: { maplibre: ['maplibre-gl'] } } },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
