import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { live } from './grid/live.svelte';

live.start();
const target = document.getElementById('app')!;
target.replaceChildren();
mount(App, { target });
