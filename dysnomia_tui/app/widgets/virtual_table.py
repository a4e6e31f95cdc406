"""A table of any length on Textual's line API: only the rows on the screen are ever rendered.

The cursor and the marks are kept by key, not by row, so they stay where they are when the list is read again, sorted
or filtered.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Self, TypeAlias, TypeVar

from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.strip import Strip

from dysnomia_tui.app.actions.registry import bindings
from dysnomia_tui.app.present.columns import Column, Layout, Order, order_by
from dysnomia_tui.app.present.text import fit, visible
from dysnomia_tui.app.widgets import table_messages
from dysnomia_tui.app.widgets.host import ActionHost, PaneHost
from dysnomia_tui.app.widgets.listing import Listing
from dysnomia_tui.app.widgets.marking import Markable
from dysnomia_tui.app.widgets.row_strips import RowLook, RowStrips

T = TypeVar("T")


class VirtualTable(ActionHost, Markable[T], can_focus=True):
    """Rows of items. What a row looks like is the columns' affair (pure functions of the item)."""

    BINDINGS = bindings("list")
    FILTER_HINT: ClassVar[str] = "filter (a leading ! shows the others); Enter keeps it, Esc takes it away"
    """What stands in the empty line in which a filter is typed."""
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "virtual-table--cursor",
        "virtual-table--cursor-blurred",
        "virtual-table--head",
        "virtual-table--marked",
    }
    DEFAULT_CSS = """
    VirtualTable {
        background: transparent;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 1;
        overflow-x: hidden;
        scrollbar-gutter: stable;
    }
    VirtualTable > .virtual-table--cursor { background: $primary; color: $text; text-style: bold; }
    VirtualTable > .virtual-table--cursor-blurred { background: $surface-lighten-2; }
    VirtualTable:light > .virtual-table--cursor-blurred { background: $surface-darken-2; }
    VirtualTable > .virtual-table--head { text-style: bold; color: $text-muted; }
    VirtualTable > .virtual-table--marked { text-style: bold; }
    VirtualTable:ansi > .virtual-table--cursor { text-style: reverse bold; background: ansi_default; }
    VirtualTable:ansi > .virtual-table--cursor-blurred { text-style: underline; background: ansi_default; }
    VirtualTable:nocolor > .virtual-table--cursor { text-style: reverse bold; }
    VirtualTable:nocolor > .virtual-table--cursor-blurred { text-style: underline; }
    """

    Highlighted: TypeAlias = table_messages.Highlighted
    Chosen: TypeAlias = table_messages.Chosen
    MarksChanged: TypeAlias = table_messages.MarksChanged
    Edge: TypeAlias = table_messages.Edge
    FilterAsked: TypeAlias = table_messages.FilterAsked
    SortAsked: TypeAlias = table_messages.SortAsked

    def __init__(
        self,
        columns: Sequence[Column[T]] = (),
        *,
        key: Callable[[T], Hashable],
        words: Callable[[T], str] | None = None,
        head: bool = True,
        markable: bool = False,
        selectable: Callable[[T], bool] | None = None,
        empty: str = "",
        hint: str = "",
        widget_id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make an empty table.

        Args:
            key: what identifies an item across reads.
            words: what a filter looks in; None takes the text of all cells.
            head: whether there is a line of column titles.
            markable: whether items can be marked.
            selectable: on which items the cursor may rest; None means all.
            empty: what to show when there is nothing.
            hint: what else to do where a filter hides everything.
        """
        super().__init__(Listing(key, words=words, selectable=selectable), markable, widget_id, classes)
        self._columns = tuple(columns)
        self._make_columns: Callable[[int], Sequence[Column[T]]] | None = None
        self._laid_out_for = 0
        self._has_head = head
        self._hint = f"; {hint}" if hint else ""
        self._into_waits = False
        self._is_growing = False
        self._at_end = False
        self._empty = Text(empty, style="dim")
        self._laid_out: Layout[T] = Layout()
        self._strips = RowStrips(self)

    def focus(self, scroll_visible: bool = True) -> Self:
        """Take the focus at once, so that the next key comes here; where one pane is shown alone, it is this one."""
        if isinstance(self.screen, PaneHost):
            self.screen.show_pane(self)
        self.screen.set_focus(self, scroll_visible)
        return self

    # --- what is in it ------------------------------------------------------------------------------------------

    @property
    def items(self) -> Sequence[T]:
        """All items, in the order they were given."""
        return self._listing.items

    @property
    def shown(self) -> Sequence[T]:
        """The items that pass the filter, in the order of the screen."""
        return self._listing.shown

    @property
    def row(self) -> int:
        """The cursor's row, from 0."""
        return self._cursor

    @property
    def order(self) -> Order:
        return self._listing.order

    @property
    def filter_text(self) -> str:
        return self._listing.filter

    def set_columns(self, columns: Sequence[Column[T]]) -> None:
        """Show other columns (another zone, other rows); cursor, marks and order stay."""
        self._make_columns = None
        self._columns = tuple(columns)
        self._lay_out()

    def set_columns_by_width(self, make: Callable[[int], Sequence[Column[T]]]) -> None:
        """Show what ``make(cells)`` gives: asked again when the width is another, before anything is drawn in it."""
        self._make_columns = make
        self._lay_out()

    @property
    def columns(self) -> Sequence[Column[T]]:
        """The columns that are shown."""
        return self._columns

    @property
    def _head(self) -> int:
        """Lines of the head: a list without one has it while it is sorted, or its arrow would not be seen."""
        return 1 if self._has_head or self.order.column else 0

    def set_empty(self, words: Text) -> None:
        """What is shown while there is nothing to list."""
        self._empty = words.copy()
        self._empty.no_wrap = False  # a sentence is seen whole
        self.refresh()

    @property
    def _why_empty(self) -> Text:
        """Where a filter hides all that there is, that it does."""
        if self._listing.items and self._listing.filter:
            count = len(self._listing.items)
            wanted = self._listing.filter
            hidden = f"every line has {wanted[1:]}" if wanted.startswith("!") else f"no line has {wanted}"
            why = f"{visible(hidden)}: the filter hides all {count:,}, Esc takes it away{self._hint}"
            return Text(why, style="dim")
        return self._empty

    def set_growing(self, growing: bool) -> None:
        """Say whether more is still being read to the list's end: until then the key for the end means that end."""
        self._is_growing = growing

    def set_items(self, items: Sequence[T], *, to: Hashable | None = None) -> None:
        """Show these items. The cursor stays on its key (or goes to ``to``); marks of items that are gone go."""
        before = to if to is not None else self._key_here()
        if self._at_end and self._is_growing and items:
            before = self._listing.key(items[-1])
        if self._listing.put(items):
            self.post_message(self.MarksChanged(self))
        self._review(before)
        if self._into_waits and self.item is not None:
            # Enter was pressed while there was nothing yet: it counts.
            self._into_waits = False
            self.act_into()

    def filter_typed(self, text: str) -> None:
        """The text of the filter as it is typed."""
        self.set_filter(text)

    def set_filter(self, text: str) -> None:
        """Show only the items whose words hold ``text`` (with a leading ``!``: that do not)."""
        if text != self._listing.filter:
            self._listing.filter = text
            self._review(self._key_here())

    def set_order(self, order: Order) -> None:
        self._listing.order = order
        self._review(self._key_here())

    def go_to(self, key: Hashable) -> bool:
        """Put the cursor on the item with this key. False where it is not shown."""
        row = self._listing.row_of(key)
        if row is None:
            return False
        self._move(row)
        return True

    def invalidate(self) -> None:
        """Render every row again (what the columns are made from has changed)."""
        self._strips.clear()
        self.refresh()

    def _key_here(self) -> Hashable | None:
        return self._listing.key(self.item) if self.item is not None else None

    def _review(self, stay_on: Hashable | None) -> None:
        """Filter and sort again, and keep the cursor on its key; where that is gone, on its row."""
        self._cursor = self._listing.arrange(self._columns, stay_on, self._cursor)
        self._lay_out()
        self.post_message(self.Highlighted(self, self.item))

    # --- laying out and rendering -------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._lay_out_columns(self.scrollable_content_region.width)
        self.virtual_size = Size(max(self._laid_out.width, 1), len(self._listing.shown) + self._head)
        self._strips.clear()
        self._show_cursor()
        self.refresh()

    def _lay_out_columns(self, width: int) -> None:
        """Make columns and their widths for a pane of ``width`` cells."""
        self._laid_out_for = width
        if self._make_columns is not None and width > 0:
            self._columns = tuple(self._make_columns(width))
        self._laid_out = Layout.of(self._columns, width)

    def on_resize(self) -> None:
        self._lay_out()

    def notify_style_update(self) -> None:
        """Another theme: what was rendered in the colours of the one before is rendered again."""
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if width != self._laid_out_for:
            # Drawn before it was told of its new size: never in the columns of the old one.
            self._lay_out_columns(width)
            self._strips.clear()
        scroll_x, scroll_y = self.scroll_offset
        if self._head and y == 0:
            return self._strips.head(self._laid_out.titles(self._listing.order), scroll_x, width)
        row = y + scroll_y - self._head
        shown = self._listing.shown
        if not shown and y >= self._head:
            return self._strips.empty(self._why_empty, y - self._head, width)
        if not 0 <= row < len(shown):
            return self._strips.blank(width)
        item = shown[row]
        look = RowLook(row, row == self._cursor, self._listing.key(item) in self._listing.marks)
        return self._strips.row(look, lambda: self._line(item, look.marked), scroll_x, width)

    def _line(self, item: T, marked: bool) -> tuple[Text, bool]:
        """The line of an item, and whether it is a head."""
        whole = self.line_of(item)
        if whole is not None:
            return fit(whole, self.virtual_size.width), True
        return self._laid_out.cells(item, marked), False

    def line_of(self, item: T) -> Text | None:
        """A whole line instead of cells, for an item that is a head; None for one that has cells."""
        return None

    def on_focus(self) -> None:
        self.invalidate()

    def on_blur(self) -> None:
        self._into_waits = self._at_end = False
        self.invalidate()

    # --- the cursor ---------------------------------------------------------------------------------------------

    @property
    def page(self) -> int:
        """Rows on the screen."""
        return max(self.scrollable_content_region.height - self._head, 1)

    def _move(self, row: int, direction: int = 1) -> None:
        row = self._listing.nearest(row, direction)
        before = self._cursor
        self._into_waits = self._at_end = False
        self._cursor = row
        if self._show_cursor():
            self.refresh()
        else:
            for line in {before, row}:
                self.refresh_lines(line + self._head)
        if row != before:
            self.post_message(self.Highlighted(self, self.item))

    def _show_cursor(self) -> bool:
        """Scroll to where it is. Returns whether the list had to be scrolled."""
        top = round(self.scroll_offset.y)
        target = top
        if self._cursor < top:
            target = self._cursor if self._cursor > self._listing.nearest(0, 1) else 0
        elif self._cursor >= top + self.page:
            target = self._cursor - self.page + 1
        if target != top:
            self.scroll_to(y=target, animate=False)
        return target != top

    def act_down(self) -> None:
        self._move(self._cursor + 1, 1)

    def act_up(self) -> None:
        self._move(self._cursor - 1, -1)

    def act_top(self) -> None:
        self._move(0, 1)

    def act_bottom(self) -> None:
        self._move(len(self._listing.shown) - 1, -1)
        self._at_end = self._is_growing

    def act_half_down(self) -> None:
        self._move(self._cursor + max(self.page // 2, 1), 1)

    def act_half_up(self) -> None:
        self._move(self._cursor - max(self.page // 2, 1), -1)

    def act_page_down(self) -> None:
        self._move(self._cursor + self.page, 1)

    def act_page_up(self) -> None:
        self._move(self._cursor - self.page, -1)

    def act_left(self) -> None:
        if self.scroll_offset.x > 0:
            self.scroll_to(x=max(self.scroll_offset.x - 8, 0), animate=False)
        else:
            self.post_message(self.Edge(self, -1))

    def act_right(self) -> None:
        if self.scroll_offset.x < self.max_scroll_x:
            self.scroll_to(x=min(self.scroll_offset.x + 8, self.max_scroll_x), animate=False)
        else:
            self.post_message(self.Edge(self, 1))

    def act_into(self) -> None:
        if self.item is not None:
            self.post_message(self.Chosen(self, self.item))
        elif not self._listing.items:
            self._into_waits = True

    # --- order, filter ------------------------------------------------------------------------------------------

    def _changed_marks(self) -> None:
        self.post_message(self.MarksChanged(self))
        self.refresh()

    def act_sort(self) -> None:
        self.post_message(self.SortAsked(self))

    def sort_by(self, column_id: str) -> None:
        """Sort by a column; where the list is sorted by it already, the other way round."""
        column = next((one for one in self._columns if one.id == column_id and one.sort is not None), None)
        if column is not None:
            self.set_order(order_by(column, self.order))

    def act_sort_reverse(self) -> None:
        if self.order.column:
            self.set_order(Order(self.order.column, not self.order.reverse))

    def act_filter(self) -> None:
        self.post_message(self.FilterAsked(self))

    # --- mouse --------------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if self._head and offset.y == 0:
            self._click_head(offset.x + round(self.scroll_offset.x))
            return
        row = offset.y + round(self.scroll_offset.y) - self._head
        if not 0 <= row < len(self._listing.shown) or not self._listing.may_rest_on(row):
            return
        if row == self._cursor and event.chain > 1:
            self.act_into()
        else:
            self._move(row)

    def _click_head(self, x: int) -> None:
        column = self._laid_out.at(x)
        if column is None or column.sort is None:
            return
        self.sort_by(column.id)
