// The pages in the order of the rail, each with the key that opens it and its sign, drawn on 18 by 18 pixels.
import type { Page } from '../route';

export interface RailPage {
  page: Page;
  name: string;
  key: string;
  icon: string;
  keepsView: boolean; // reads the branch and the time that are looked at
  apart: boolean; // stands at the foot of the rail
}

const page = (name: string, to: Page, key: string, icon: string, more: Partial<RailPage> = {}): RailPage => ({
  page: to, name, key, icon, keepsView: false, apart: false, ...more,
});

// Those of the map, which no page may have: its own would be hidden by the page's.
export const mapKeys = { fit: 'f', decisions: 'c' };

export const railPages: RailPage[] = [
  page('Map', 'map', 'm', 'M2.5 5l4-2 5 2 4-2v10l-4 2-5-2-4 2zM6.5 3v10M11.5 5v10'),
  page('Plan', 'plan', 'p', 'M3 4.5h12M3 9h7M3 13.5h9M13 7.2L15 9l-2 1.8'),
  page('Day', 'day', 'y', 'M9 2.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13zM9 5.5V9l2.5 1.5'),
  page('What-if', 'whatif', 'w', 'M10.2 2.5L4.5 10h4l-1 5.5L13.5 8h-4z'),
  page('Traffic', 'te', 'e', 'M2.5 9h4l3-4.5h5M6.5 9l3 4.5h5M12.7 2.7l1.8 1.8-1.8 1.8M12.7 11.7l1.8 1.8-1.8 1.8'),
  page('Serving', 'serving', 's', 'M2.5 9.5h3l2-5.5 3.5 10 2-4.5h2.5'),
  page('Trials', 'trials', 't', 'M6.5 2.5h5M7.5 2.5v5L3.5 14a1 1 0 0 0 1 1.5h9a1 1 0 0 0 1-1.5l-4-6.5v-5M5.5 11h7'),
  page('Predictions', 'predictions', 'd', 'M2.5 13.5l4-4.5 3 2.5 5-6.5M11 5h3.5v3.5M2.5 15.5h13'),
  page('Replay', 'replay', 'r', 'M4 3.5v11M4 14.5h11M6.5 11.5l2.5-4 2.5 2 3-5'),
  page('Inventory', 'inventory', 'i', 'M3 3h12v3.5H3zM3 7.5h12V11H3zM3 12h12v3.5H3zM5.5 4.8h.01M5.5 9.3h.01M5.5 13.8h.01', { keepsView: true }),
  page('Discrepancies', 'discrepancies', 'x', 'M9 2.8L16 15H2zM9 7.2v3.6M9 12.9v.01', { keepsView: true }),
  page('Branches', 'branches', 'b', 'M5 6.2v5.6M5 6a1.7 1.7 0 1 0 0-3.4A1.7 1.7 0 0 0 5 6zM5 15.4A1.7 1.7 0 1 0 5 12a1.7 1.7 0 0 0 0 3.4zM13 6a1.7 1.7 0 1 0 0-3.4A1.7 1.7 0 0 0 13 6zM13 6.2c0 3.4-8 2-8 5.4'),
  page('Query', 'query', 'q', 'M2.5 3.5h13v11h-13zM5 7l2.2 2L5 11M9 11.2h4', { keepsView: true }),
  page('Ontology', 'ontology', 'o', 'M9 2.5l5.6 3.2v6.6L9 15.5l-5.6-3.2V5.7zM3.6 5.8L9 9l5.4-3.2M9 9v6.3'),
  page('Log', 'log', 'l', 'M4 2.5h10v13H4zM6.5 6h5M6.5 9h5M6.5 12h3', { apart: true }),
];
