import type { Theme } from '../map/scale';

// Light or dark as the system says, also while the page is open.
const dark = window.matchMedia('(prefers-color-scheme: dark)');

class SystemTheme {
  name = $state<Theme>(dark.matches ? 'dark' : 'light');

  constructor() {
    dark.addEventListener('change', () => (this.name = dark.matches ? 'dark' : 'light'));
  }
}

export const theme = new SystemTheme();
