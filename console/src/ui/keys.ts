// A key pressed while writing, or with a modifier, is not a command.
export function isCommand(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return false;
  // A modal dialog has the keyboard to itself, until the moment it closes.
  if (document.querySelector('dialog[open]')) return false;
  const target = event.target as HTMLElement | null;
  return !target?.closest?.('input, textarea, select, [contenteditable]');
}
