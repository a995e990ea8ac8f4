"""Words written by hand, where CLDR has none: colours, numbers, relations, motions, kinds of pages, field labels.

Each table holds one line per language, in the order of its key tuple. Languages missing here still have the names of
objects, cities and months.
"""

from functools import cache

__all__ = ["COLOURS", "FIELDS", "FORMS", "MOTIONS", "PAGE_TYPES", "RELATIONS", "SUBJECTS", "WRITTEN", "word"]

COLOURS = ("white", "black", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
RELATIONS = ("left of", "right of", "above", "below")
MOTIONS = ("left", "right", "up", "down", "appears", "disappears", "turns", "grows", "shrinks")
PAGE_TYPES = ("invoice", "receipt", "letter", "menu", "poster", "form", "list", "timetable")
FIELDS = ("number", "date", "city", "total", "price", "name", "background")
FORMS = ("bar chart", "line chart", "pie chart", "highest", "lowest")
SUBJECTS = ("sales", "exports", "prices", "votes", "visitors")
NUMBERS = ("1", "2", "3", "4", "5")
SIZES = ("small", "large")

COLOUR_WORDS = """
en white black gray red orange yellow green blue purple pink brown
de weiß schwarz grau rot orange gelb grün blau lila rosa braun
fr blanc noir gris rouge orange jaune vert bleu violet rose marron
es blanco negro gris rojo naranja amarillo verde azul morado rosa marrón
it bianco nero grigio rosso arancione giallo verde blu viola rosa marrone
pt branco preto cinza vermelho laranja amarelo verde azul roxo rosa marrom
nl wit zwart grijs rood oranje geel groen blauw paars roze bruin
sv vit svart grå röd orange gul grön blå lila rosa brun
pl biały czarny szary czerwony pomarańczowy żółty zielony niebieski fioletowy różowy brązowy
cs bílá černá šedá červená oranžová žlutá zelená modrá fialová růžová hnědá
ru белый чёрный серый красный оранжевый жёлтый зелёный синий фиолетовый розовый коричневый
uk білий чорний сірий червоний помаранчевий жовтий зелений синій фіолетовий рожевий коричневий
tr beyaz siyah gri kırmızı turuncu sarı yeşil mavi mor pembe kahverengi
el άσπρο μαύρο γκρι κόκκινο πορτοκαλί κίτρινο πράσινο μπλε μωβ ροζ καφέ
he לבן שחור אפור אדום כתום צהוב ירוק כחול סגול ורוד חום
ar أبيض أسود رمادي أحمر برتقالي أصفر أخضر أزرق بنفسجي وردي بني
hi सफ़ेद काला स्लेटी लाल नारंगी पीला हरा नीला बैंगनी गुलाबी भूरा
zh 白色 黑色 灰色 红色 橙色 黄色 绿色 蓝色 紫色 粉色 棕色
ja 白 黒 灰色 赤 オレンジ色 黄色 緑 青 紫 ピンク 茶色
ko 흰색 검은색 회색 빨간색 주황색 노란색 초록색 파란색 보라색 분홍색 갈색
vi trắng đen xám đỏ cam vàng xanh_lá xanh_dương tím hồng nâu
id putih hitam abu-abu merah oranye kuning hijau biru ungu merah_muda cokelat
"""

NUMBER_WORDS = """
en one two three four five
de eins zwei drei vier fünf
fr un deux trois quatre cinq
es uno dos tres cuatro cinco
it uno due tre quattro cinque
pt um dois três quatro cinco
nl een twee drie vier vijf
sv en två tre fyra fem
pl jeden dwa trzy cztery pięć
cs jeden dva tři čtyři pět
ru один два три четыре пять
uk один два три чотири п'ять
tr bir iki üç dört beş
el ένα δύο τρία τέσσερα πέντε
he אחד שניים שלושה ארבעה חמישה
ar واحد اثنان ثلاثة أربعة خمسة
hi एक दो तीन चार पाँच
zh 一 两 三 四 五
ja 一 二 三 四 五
ko 하나 둘 셋 넷 다섯
vi một hai ba bốn năm
id satu dua tiga empat lima
"""

RELATION_WORDS = """
en left_of right_of above below
de links_von rechts_von über unter
fr à_gauche_de à_droite_de au-dessus_de au-dessous_de
es a_la_izquierda_de a_la_derecha_de encima_de debajo_de
it a_sinistra_di a_destra_di sopra sotto
pt à_esquerda_de à_direita_de acima_de abaixo_de
nl links_van rechts_van boven onder
sv till_vänster_om till_höger_om ovanför under
pl na_lewo_od na_prawo_od nad pod
cs vlevo_od vpravo_od nad pod
ru слева_от справа_от над под
uk ліворуч_від праворуч_від над під
tr solunda sağında üstünde altında
el αριστερά_από δεξιά_από πάνω_από κάτω_από
he משמאל_ל מימין_ל מעל מתחת_ל
ar على_يسار على_يمين فوق تحت
hi के_बाईं_ओर के_दाईं_ओर के_ऊपर के_नीचे
zh 在左边 在右边 在上面 在下面
ja 左にある 右にある 上にある 下にある
ko 왼쪽에_있는 오른쪽에_있는 위에_있는 아래에_있는
vi bên_trái bên_phải phía_trên phía_dưới
id di_kiri di_kanan di_atas di_bawah
"""

MOTION_WORDS = """
en moves_left moves_right moves_up moves_down appears disappears turns_around grows shrinks
de bewegt_sich_nach_links bewegt_sich_nach_rechts bewegt_sich_nach_oben bewegt_sich_nach_unten erscheint verschwindet dreht_sich wächst schrumpft
fr va_vers_la_gauche va_vers_la_droite monte descend apparaît disparaît tourne grandit rétrécit
es va_a_la_izquierda va_a_la_derecha sube baja aparece desaparece gira crece encoge
it va_a_sinistra va_a_destra sale scende appare scompare gira cresce rimpicciolisce
pt vai_para_a_esquerda vai_para_a_direita sobe desce aparece desaparece gira cresce encolhe
nl beweegt_naar_links beweegt_naar_rechts beweegt_omhoog beweegt_omlaag verschijnt verdwijnt draait groeit krimpt
sv rör_sig_åt_vänster rör_sig_åt_höger rör_sig_uppåt rör_sig_nedåt dyker_upp försvinner snurrar växer krymper
pl porusza_się_w_lewo porusza_się_w_prawo porusza_się_w_górę porusza_się_w_dół pojawia_się znika obraca_się rośnie maleje
cs se_pohybuje_doleva se_pohybuje_doprava se_pohybuje_nahoru se_pohybuje_dolů se_objeví zmizí se_otáčí roste se_zmenšuje
ru движется_влево движется_вправо движется_вверх движется_вниз появляется исчезает вращается растёт уменьшается
uk рухається_ліворуч рухається_праворуч рухається_вгору рухається_вниз з'являється зникає обертається росте зменшується
tr sola_gidiyor sağa_gidiyor yukarı_gidiyor aşağı_gidiyor beliriyor kayboluyor dönüyor büyüyor küçülüyor
el κινείται_αριστερά κινείται_δεξιά κινείται_πάνω κινείται_κάτω εμφανίζεται εξαφανίζεται περιστρέφεται μεγαλώνει μικραίνει
he נע_שמאלה נע_ימינה נע_למעלה נע_למטה מופיע נעלם מסתובב גדל מתכווץ
ar يتحرك_يسارا يتحرك_يمينا يتحرك_إلى_أعلى يتحرك_إلى_أسفل يظهر يختفي يدور يكبر يصغر
hi बाईं_ओर_जाता_है दाईं_ओर_जाता_है ऊपर_जाता_है नीचे_जाता_है प्रकट_होता_है गायब_होता_है घूमता_है बड़ा_होता_है छोटा_होता_है
zh 向左移动 向右移动 向上移动 向下移动 出现 消失 旋转 变大 变小
ja 左に動く 右に動く 上に動く 下に動く 現れる 消える 回転する 大きくなる 小さくなる
ko 왼쪽으로_움직인다 오른쪽으로_움직인다 위로_움직인다 아래로_움직인다 나타난다 사라진다 회전한다 커진다 작아진다
vi di_chuyển_sang_trái di_chuyển_sang_phải di_chuyển_lên di_chuyển_xuống xuất_hiện biến_mất xoay lớn_lên nhỏ_lại
id bergerak_ke_kiri bergerak_ke_kanan bergerak_ke_atas bergerak_ke_bawah muncul menghilang berputar membesar mengecil
"""

PAGE_WORDS = """
en Invoice Receipt Letter Menu Poster Form List Timetable
de Rechnung Quittung Brief Speisekarte Plakat Formular Liste Fahrplan
fr Facture Reçu Lettre Menu Affiche Formulaire Liste Horaire
es Factura Recibo Carta Menú Cartel Formulario Lista Horario
it Fattura Ricevuta Lettera Menù Manifesto Modulo Elenco Orario
pt Fatura Recibo Carta Cardápio Cartaz Formulário Lista Horário
nl Factuur Kassabon Brief Menukaart Poster Formulier Lijst Dienstregeling
sv Faktura Kvitto Brev Meny Affisch Formulär Lista Tidtabell
pl Faktura Paragon Pismo Menu Plakat Formularz Lista Rozkład_jazdy
cs Faktura Účtenka Dopis Jídelní_lístek Plakát Formulář Seznam Jízdní_řád
ru Счёт Чек Письмо Меню Плакат Анкета Список Расписание
uk Рахунок Чек Лист Меню Плакат Анкета Список Розклад
tr Fatura Makbuz Mektup Menü Afiş Form Liste Tarife
el Τιμολόγιο Απόδειξη Επιστολή Μενού Αφίσα Έντυπο Λίστα Δρομολόγιο
he חשבונית קבלה מכתב תפריט כרזה טופס רשימה לוח_זמנים
ar فاتورة إيصال رسالة قائمة_طعام ملصق استمارة قائمة جدول_زمني
hi चालान रसीद पत्र भोजन_सूची पोस्टर प्रपत्र सूची समय_सारणी
zh 发票 收据 信件 菜单 海报 表格 清单 时刻表
ja 請求書 領収書 手紙 メニュー ポスター 申込書 一覧 時刻表
ko 청구서 영수증 편지 메뉴 포스터 신청서 목록 시간표
vi Hóa_đơn Biên_lai Thư Thực_đơn Áp_phích Biểu_mẫu Danh_sách Lịch_trình
id Faktur Kuitansi Surat Menu Poster Formulir Daftar Jadwal
"""

FIELD_WORDS = """
en Number Date City Total Price Name background
de Nummer Datum Stadt Summe Preis Name Hintergrund
fr Numéro Date Ville Total Prix Nom fond
es Número Fecha Ciudad Total Precio Nombre fondo
it Numero Data Città Totale Prezzo Nome sfondo
pt Número Data Cidade Total Preço Nome fundo
nl Nummer Datum Stad Totaal Prijs Naam achtergrond
sv Nummer Datum Stad Summa Pris Namn bakgrund
pl Numer Data Miasto Suma Cena Nazwa tło
cs Číslo Datum Město Celkem Cena Název pozadí
ru Номер Дата Город Итого Цена Имя фон
uk Номер Дата Місто Разом Ціна Ім'я тло
tr Numara Tarih Şehir Toplam Fiyat Ad arka_plan
el Αριθμός Ημερομηνία Πόλη Σύνολο Τιμή Όνομα φόντο
he מספר תאריך עיר סכום מחיר שם רקע
ar رقم تاريخ مدينة المجموع السعر الاسم خلفية
hi संख्या तारीख शहर कुल मूल्य नाम पृष्ठभूमि
zh 编号 日期 城市 合计 价格 名称 背景
ja 番号 日付 都市 合計 価格 名前 背景
ko 번호 날짜 도시 합계 가격 이름 배경
vi Số Ngày Thành_phố Tổng Giá Tên nền
id Nomor Tanggal Kota Jumlah Harga Nama latar
"""

FORM_WORDS = """
en bar_chart line_chart pie_chart highest lowest
de Balkendiagramm Liniendiagramm Kreisdiagramm am_höchsten am_niedrigsten
fr diagramme_en_barres courbe camembert le_plus_haut le_plus_bas
es gráfico_de_barras gráfico_de_líneas gráfico_circular el_más_alto el_más_bajo
it grafico_a_barre grafico_a_linee grafico_a_torta il_più_alto il_più_basso
pt gráfico_de_barras gráfico_de_linhas gráfico_de_pizza o_mais_alto o_mais_baixo
nl staafdiagram lijndiagram cirkeldiagram het_hoogst het_laagst
sv stapeldiagram linjediagram cirkeldiagram högst lägst
pl wykres_słupkowy wykres_liniowy wykres_kołowy najwyższy najniższy
cs sloupcový_graf čárový_graf koláčový_graf nejvyšší nejnižší
ru столбчатая_диаграмма линейный_график круговая_диаграмма больше_всего меньше_всего
uk стовпчаста_діаграма лінійний_графік кругова_діаграма найбільше найменше
tr çubuk_grafik çizgi_grafik pasta_grafik en_yüksek en_düşük
el ραβδόγραμμα γράφημα_γραμμής γράφημα_πίτας υψηλότερο χαμηλότερο
he תרשים_עמודות תרשים_קווים תרשים_עוגה הגבוה_ביותר הנמוך_ביותר
ar مخطط_أعمدة مخطط_خطي مخطط_دائري الأعلى الأدنى
hi दंड_आरेख रेखा_आरेख वृत्त_आरेख सबसे_अधिक सबसे_कम
zh 柱状图 折线图 饼图 最高 最低
ja 棒グラフ 折れ線グラフ 円グラフ 最高 最低
ko 막대그래프 선그래프 원그래프 가장_높은 가장_낮은
vi biểu_đồ_cột biểu_đồ_đường biểu_đồ_tròn cao_nhất thấp_nhất
id diagram_batang diagram_garis diagram_lingkaran tertinggi terendah
"""

SUBJECT_WORDS = """
en Sales Exports Prices Votes Visitors
de Verkauf Export Preise Stimmen Besucher
fr Ventes Exportations Prix Votes Visiteurs
es Ventas Exportaciones Precios Votos Visitantes
it Vendite Esportazioni Prezzi Voti Visitatori
pt Vendas Exportações Preços Votos Visitantes
nl Verkoop Export Prijzen Stemmen Bezoekers
sv Försäljning Export Priser Röster Besökare
pl Sprzedaż Eksport Ceny Głosy Goście
cs Prodej Vývoz Ceny Hlasy Návštěvníci
ru Продажи Экспорт Цены Голоса Посетители
uk Продажі Експорт Ціни Голоси Відвідувачі
tr Satışlar İhracat Fiyatlar Oylar Ziyaretçiler
el Πωλήσεις Εξαγωγές Τιμές Ψήφοι Επισκέπτες
he מכירות יצוא מחירים קולות מבקרים
ar المبيعات الصادرات الأسعار الأصوات الزوار
hi बिक्री निर्यात कीमतें मत आगंतुक
zh 销售 出口 价格 票数 访客
ja 売上 輸出 価格表 投票 来場者
ko 판매 수출 물가 득표 방문자
vi Doanh_số Xuất_khẩu Giá_cả Phiếu_bầu Khách_thăm
id Penjualan Ekspor Harga-harga Suara Pengunjung
"""

SIZE_WORDS = """
en small large
de klein groß
fr petit grand
es pequeño grande
it piccolo grande
pt pequeno grande
nl klein groot
sv liten stor
pl mały duży
cs malý velký
ru маленький большой
uk маленький великий
tr küçük büyük
el μικρό μεγάλο
he קטן גדול
ar صغير كبير
hi छोटा बड़ा
zh 小 大
ja 小さい 大きい
ko 작은 큰
vi nhỏ to
id kecil besar
"""

TABLES = (
    (COLOURS, COLOUR_WORDS),
    (NUMBERS, NUMBER_WORDS),
    (RELATIONS, RELATION_WORDS),
    (MOTIONS, MOTION_WORDS),
    (PAGE_TYPES, PAGE_WORDS),
    (FIELDS, FIELD_WORDS),
    (FORMS, FORM_WORDS),
    (SUBJECTS, SUBJECT_WORDS),
    (SIZES, SIZE_WORDS),
)

WRITTEN = tuple(line.split(" ", 1)[0] for line in COLOUR_WORDS.strip().splitlines())
"""Languages of these tables."""


@cache
def _words() -> dict[str, dict[str, str]]:
    """Every table as `language -> key -> word`."""
    words: dict[str, dict[str, str]] = {language: {} for language in WRITTEN}
    for keys, table in TABLES:
        for line in table.strip().splitlines():
            language, *row = line.split(" ")
            words[language].update(zip(keys, (cell.replace("_", " ") for cell in row), strict=True))
    return words


def word(key: str, language: str = "en") -> str:
    """The word for a key of the tables, such as `word("blue", "de") == "blau"`."""
    return _words()[language][key]
