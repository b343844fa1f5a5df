// An answer of the server that is asked again while it is looked at. The old answer stays until the new one is here.

export class Polled<T> {
  value = $state.raw<T | undefined>();
  error = $state('');

  // `reader` is reactive: when what it reads changes, the answer is asked for anew. `key` names what is asked about;
  // when it changes the old answer is dropped, for it is about something else.
  constructor(key: () => string, reader: () => (signal: AbortSignal) => Promise<T>, every_ms: number) {
    let last: string | undefined;
    $effect(() => {
      const now = key();
      if (now !== last) {
        this.value = undefined;
        this.error = '';
        last = now;
      }
      const read = reader();
      const abort = new AbortController();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const ask = async () => {
        try {
          const value = await read(abort.signal);
          if (abort.signal.aborted) return;
          this.value = value;
          this.error = '';
        } catch (error) {
          if (abort.signal.aborted) return;
          this.error = error instanceof Error ? error.message : String(error);
        }
        if (every_ms > 0) timer = setTimeout(() => void ask(), every_ms);
      };
      void ask();
      return () => {
        abort.abort();
        clearTimeout(timer);
      };
    });
  }
}
